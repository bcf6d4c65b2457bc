//go:build !race

package sim_test

// defaultSeeds is how many seeds TestSeeds runs.
const defaultSeeds = 1000
