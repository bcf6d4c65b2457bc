package engine

import (
	"container/list"
	"sync"

	"github.com/hooksaga/hooksaga/sagas/saga"
)

// held is an instance with the revision of its row. The zero held is an instance that does not exist.
type held struct {
	revision    int64
	queued      int
	started     bool
	correlation string
	instance    saga.Instance
}

// cache keeps instances that this process decided last. It may be behind the store: whatever relies on it is judged by
// revision, or decided again from the store.
type cache struct {
	mu    sync.Mutex
	max   int
	order *list.List // of entry, most recently used first
	by    map[string]*list.Element
}

type entry struct {
	id string
	held
}

func newCache(n int) *cache { return &cache{max: n, order: list.New(), by: map[string]*list.Element{}} }

func (c *cache) get(id string) (held, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	e, ok := c.by[id]
	if !ok {
		return held{}, false
	}
	c.order.MoveToFront(e)
	return e.Value.(*entry).held, true
}

// put keeps an instance, unless a newer revision is there.
func (c *cache) put(id string, h held) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.by[id]; ok {
		if have := e.Value.(*entry); have.revision < h.revision {
			have.held = h
		}
		c.order.MoveToFront(e)
		return
	}
	c.by[id] = c.order.PushFront(&entry{id, h})
	if c.order.Len() > c.max {
		last := c.order.Back()
		c.order.Remove(last)
		delete(c.by, last.Value.(*entry).id)
	}
}

func (c *cache) drop(id string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e, ok := c.by[id]; ok {
		c.order.Remove(e)
		delete(c.by, id)
	}
}
