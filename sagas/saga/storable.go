package saga

import (
	"encoding/json"
	"fmt"
	"reflect"
	"time"
)

// storable refuses a state that would come back from storage other than it went.
func storable(t reflect.Type) error { return field(t, t.String(), map[reflect.Type]bool{}) }

func field(t reflect.Type, path string, seen map[reflect.Type]bool) error {
	if t == reflect.TypeFor[time.Time]() || seen[t] || t.Implements(reflect.TypeFor[json.Marshaler]()) {
		return nil
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Struct:
		for f := range t.Fields() {
			if !f.IsExported() && !f.Anonymous {
				return fmt.Errorf("state field %s.%s is unexported and would not be stored", path, f.Name)
			}
			if err := field(f.Type, path+"."+f.Name, seen); err != nil {
				return err
			}
		}
	case reflect.Func, reflect.Chan, reflect.UnsafePointer, reflect.Interface:
		return fmt.Errorf("state field %s cannot be stored", path)
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return field(t.Elem(), path+"[]", seen)
	}
	return nil
}
