// Command probe runs the client for the tests that start, kill and restart servers around it, and for the
// benchmark of its overhead. tests/clients/PROBES.md describes what it prints.
package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"strconv"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"

	"github.com/rerankd/rerankd/clients/go/internal/jsonl"
)

var out = bufio.NewWriter(os.Stdout)

// probe runs one command with its number: TOP_N, CONCURRENCY or ROUNDS.
type probe func(target, query, file string, number int) (report any, err error)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintf(os.Stderr, "%T: %v\n", err, err)
		os.Exit(1)
	}
}

func run(arguments []string) error {
	probes := map[string]probe{"stream": stream, "load": load, "overhead": overhead}
	if len(arguments) != 5 || probes[arguments[0]] == nil {
		return fmt.Errorf("usage: probe stream|load|overhead TARGET QUERY FILE NUMBER")
	}
	number, err := strconv.Atoi(arguments[4])
	if err != nil {
		return err
	}
	report, err := probes[arguments[0]](arguments[1], arguments[2], arguments[3], number)
	if err != nil {
		return err
	}
	text, err := json.Marshal(report)
	if err != nil {
		return err
	}
	say("%s", text)
	return nil
}

// say prints a line at once.
func say(format string, values ...any) {
	_, _ = fmt.Fprintf(out, format+"\n", values...)
	_ = out.Flush()
}

// firstDocuments reads so many documents of a file; below 0 all of them.
func firstDocuments(path string, count int) ([]*rerankdv1.Document, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var documents []*rerankdv1.Document
	for document, err := range jsonl.Documents(file) {
		if err != nil {
			return nil, err
		}
		if len(documents) == count {
			break
		}
		documents = append(documents, document)
	}
	return documents, nil
}
