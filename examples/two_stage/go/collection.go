package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// collection is what examples/two_stage/data holds: documents, queries, and the grades of each query.
type collection struct {
	documents []document
	queries   []document
	judged    map[string]grades
}

func readCollection(folder string) (*collection, error) {
	documents, err := readLines(filepath.Join(folder, "documents.jsonl"))
	if err != nil {
		return nil, err
	}
	queries, err := readLines(filepath.Join(folder, "queries.jsonl"))
	if err != nil {
		return nil, err
	}
	judged, err := readJudgments(filepath.Join(folder, "judgments.tsv"))
	return &collection{documents: documents, queries: queries, judged: judged}, err
}

func readLines(path string) ([]document, error) {
	file, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = file.Close() }()
	var read []document
	lines := bufio.NewScanner(file)
	for lines.Scan() {
		var each document
		if err := json.Unmarshal(lines.Bytes(), &each); err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		read = append(read, each)
	}
	return read, lines.Err()
}

func readJudgments(path string) (map[string]grades, error) {
	content, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	judged := map[string]grades{}
	for line := range strings.Lines(string(content)) {
		fields := strings.Fields(line)
		if len(fields) != 3 {
			return nil, fmt.Errorf("%s: %q is not query, document and grade", path, line)
		}
		grade, err := strconv.Atoi(fields[2])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", path, err)
		}
		if judged[fields[0]] == nil {
			judged[fields[0]] = grades{}
		}
		judged[fields[0]][fields[1]] = grade
	}
	return judged, nil
}
