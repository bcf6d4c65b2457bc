package sim_test

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"
)

// mutantSeeds is in how many seeds a defect has to be found at the latest.
const mutantSeeds = 400

// tablePath is the page that holds the table of defects.
const tablePath = "../../docs/guarantees.md"

// TestMutants has each defect found. It begins with the seed that found it when the table was written. With -mutants=n it
// runs the first n seeds of each instead, and writes the table.
func TestMutants(t *testing.T) {
	t.Parallel()
	var mu sync.Mutex
	rows := map[string]string{}
	known := firstSeeds(t)
	t.Run("each", func(t *testing.T) {
		for _, m := range mutants() {
			t.Run(m.name, func(t *testing.T) {
				t.Parallel()
				if *flagMutants == 0 {
					caught(t, m, max(known[m.name], 1))
					return
				}
				row := countSeeds(t, m)
				mu.Lock()
				defer mu.Unlock()
				rows[m.name] = row
			})
		}
	})
	if *flagMutants > 0 && !t.Failed() {
		writeTable(t, rows)
	}
}

// caught requires that a defect is found, in a seed from some one on.
func caught(t *testing.T, m mutant, from int) {
	t.Helper()
	for seed := from; seed < from+mutantSeeds; seed++ {
		r := run(t, plan{seed: uint64(seed), ops: *flagOps, mutant: m.name})
		if r.failed == "" {
			continue
		}
		t.Logf("%s: seed %d: %s", m.name, seed, firstLine(r.failed))
		if !strings.Contains(r.failed, m.says) {
			t.Errorf("seed %d: found as %q, want something about %q", seed, r.failed, m.says)
		}
		return
	}
	t.Errorf("not found in %d seeds from %d on", mutantSeeds, from)
}

// countSeeds counts the seeds that find a defect, as a row of the table.
func countSeeds(t *testing.T, m mutant) string {
	t.Helper()
	found, first, how := 0, 0, ""
	for seed := 1; seed <= *flagMutants; seed++ {
		r := run(t, plan{seed: uint64(seed), ops: *flagOps, mutant: m.name})
		if r.failed == "" {
			continue
		}
		if found++; found == 1 {
			first, how = seed, firstLine(r.failed)
		}
	}
	t.Logf("%s: %d of %d, first by %d: %s", m.name, found, *flagMutants, first, how)
	if found == 0 {
		t.Errorf("not found in %d seeds", *flagMutants)
	}
	return fmt.Sprintf("| %s | %s | %d of %d | %d |", m.name, m.breaks, found, *flagMutants, first)
}

func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line[:min(len(line), 200)]
}

// tableHead begins the table.
const tableHead = "| defect | the promise that it breaks | found in so many seeds | first by seed |\n|---|---|---|---|\n"

func writeTable(t *testing.T, rows map[string]string) {
	t.Helper()
	page, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	intro, rest, there := strings.Cut(string(page), tableHead)
	_, after, ends := strings.Cut(rest, "\n\n")
	if !there || !ends {
		t.Fatalf("%s has no table that ends", tablePath)
	}
	table := intro + tableHead
	for _, m := range mutants() {
		table += rows[m.name] + "\n"
	}
	if err := os.WriteFile(tablePath, []byte(table+"\n"+after), 0o644); err != nil {
		t.Fatal(err)
	}
}

// tableRows are the rows of the table that is written.
func tableRows(t *testing.T) (rows [][]string) {
	t.Helper()
	page, err := os.ReadFile(tablePath)
	if err != nil {
		t.Fatal(err)
	}
	_, table, _ := strings.Cut(string(page), tableHead)
	table, _, _ = strings.Cut(table, "\n\n")
	for line := range strings.Lines(table) {
		if cells := strings.Split(strings.TrimSpace(line), " | "); len(cells) == 4 {
			rows = append(rows, []string{strings.TrimPrefix(cells[0], "| "), cells[1], cells[2], strings.TrimSuffix(cells[3], " |")})
		}
	}
	return rows
}

// firstSeeds are the seeds that found each defect first, as far as the table knows.
func firstSeeds(t *testing.T) map[string]int {
	t.Helper()
	seeds := map[string]int{}
	for _, row := range tableRows(t) {
		if n, err := strconv.Atoi(row[3]); err == nil {
			seeds[row[0]] = n
		}
	}
	return seeds
}

// TestTheTableHoldsEveryMutant compares the page with the list.
func TestTheTableHoldsEveryMutant(t *testing.T) {
	t.Parallel()
	rows, all := tableRows(t), mutants()
	if len(rows) != len(all) {
		t.Errorf("the table has %d rows, there are %d defects", len(rows), len(all))
	}
	for i := range min(len(rows), len(all)) {
		if rows[i][0] != all[i].name || rows[i][1] != all[i].breaks {
			t.Errorf("row %d is %q, %q, and should be %q, %q", i+1, rows[i][0], rows[i][1], all[i].name, all[i].breaks)
		}
		if strings.HasPrefix(rows[i][2], "0 ") {
			t.Errorf("%q was found in no seed", rows[i][0])
		}
	}
	if len(all) < 25 {
		t.Errorf("%d defects, want 25 or more", len(all))
	}
}
