package demo

// SignOrder is the signature of the order service, for tests that are one.
func SignOrder(body []byte) string { return signOrder(body) }
