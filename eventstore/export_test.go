package eventstore

// Waiting is how many batches wait for a commit.
func Waiting(s *Store) int {
	s.group.state.mu.Lock()
	defer s.group.state.mu.Unlock()
	return len(s.group.state.queue)
}
