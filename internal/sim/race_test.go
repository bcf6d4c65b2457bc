//go:build race

package sim_test

// defaultSeeds is how many seeds TestSeeds runs: with the race detector one costs five times as much.
const defaultSeeds = 200
