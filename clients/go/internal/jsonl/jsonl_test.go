package jsonl_test

import (
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/rerankd/rerankd/clients/go/internal/jsonl"
)

func TestDocuments(t *testing.T) {
	var got []string
	for document, err := range jsonl.Documents(strings.NewReader("{\"id\":\"a\",\"text\":\"one\"}\n\nplain\r\n{\"text\":\"\"}")) {
		if err != nil {
			t.Fatal(err)
		}
		got = append(got, document.GetId()+"="+document.GetText())
	}
	if strings.Join(got, "|") != "a=one|=plain|=" {
		t.Errorf("%q", got)
	}
}

func TestErrorsNameTheLine(t *testing.T) {
	for text, want := range map[string]string{"x\n{\"id\":\"a\"}\n": "line 2", "{\"text\":": "line 1"} {
		var last error
		for _, err := range jsonl.Documents(strings.NewReader(text)) {
			last = err
		}
		if last == nil || !strings.HasPrefix(last.Error(), want) {
			t.Errorf("%q: %v", text, last)
		}
	}
	for _, err := range jsonl.Documents(iotest.ErrReader(io.ErrUnexpectedEOF)) {
		if !errors.Is(err, io.ErrUnexpectedEOF) {
			t.Error(err)
		}
	}
}
