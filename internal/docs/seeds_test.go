package docs_test

import (
	"regexp"
	"strconv"
	"testing"
)

// Each of the 55 rows works, and says what shows it, or is named as missing.
func TestEverySeedRowIsAccountedFor(t *testing.T) {
	t.Parallel()
	const rows = 55
	shown := regexp.MustCompile("_test\\.go` `Test|\" *$|\";|`hooksaga [a-z]|`make [a-z]|`[A-Z_]+=[a-z]* hooksaga ")
	seen := map[int]bool{}
	for _, row := range cells(read(t, "docs/seeds.md")) {
		n, err := strconv.Atoi(row[0])
		switch {
		case row[0] == "row":
			continue
		case err != nil || n < 1 || n > rows:
			t.Errorf("%q is no row", row[0])
		case len(row) == 3 && !shown.MatchString(row[2]):
			t.Errorf("row %d says nothing that shows it: %s", n, row[2])
		}
		seen[n] = true
	}
	for n := 1; n <= rows; n++ {
		if !seen[n] {
			t.Errorf("row %d is in neither table", n)
		}
	}
}
