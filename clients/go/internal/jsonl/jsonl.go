// Package jsonl reads documents from files, a line at a time, for the programs of this module.
package jsonl

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"iter"

	rerankd "github.com/rerankd/rerankd/clients/go"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const bufferBytes = 64 << 10

// Documents reads lines of {"id": "...", "text": "..."}; a line that is no JSON object is a text. Empty
// lines are left out.
func Documents(reader io.Reader) iter.Seq2[*rerankdv1.Document, error] {
	return func(yield func(*rerankdv1.Document, error) bool) {
		lines := bufio.NewReaderSize(reader, bufferBytes)
		for number := 1; ; number++ {
			line, err := lines.ReadBytes('\n')
			if err != nil && err != io.EOF {
				yield(nil, fmt.Errorf("line %d: %w", number, err))
				return
			}
			if line = bytes.TrimSpace(line); len(line) > 0 {
				document, malformed := parse(line)
				if malformed != nil {
					yield(nil, fmt.Errorf("line %d: %w", number, malformed))
					return
				}
				if !yield(document, nil) {
					return
				}
			}
			if err == io.EOF {
				return
			}
		}
	}
}

func parse(line []byte) (*rerankdv1.Document, error) {
	if line[0] != '{' {
		return rerankd.Text(string(line)), nil
	}
	var fields struct {
		ID   string  `json:"id"`
		Text *string `json:"text"`
	}
	if err := json.Unmarshal(line, &fields); err != nil {
		return nil, err
	}
	if fields.Text == nil {
		return nil, fmt.Errorf(`the object has no "text"`)
	}
	return rerankd.TextWithID(fields.ID, *fields.Text), nil
}
