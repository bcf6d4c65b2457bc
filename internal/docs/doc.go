// Package docs holds nothing but tests: they hold README.md and docs/ to the code, and run what those tell the reader to do.
package docs
