package rerankd

import (
	"fmt"

	"google.golang.org/protobuf/types/known/structpb"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// Text makes a document of plain text.
func Text(text string) *rerankdv1.Document {
	return TextWithID("", text)
}

// TextWithID makes a document of plain text whose result carries id. Ids may repeat; the index of a result
// tells documents apart.
func TextWithID(id, text string) *rerankdv1.Document {
	return &rerankdv1.Document{Id: id, Content: &rerankdv1.Document_Text{Text: text}}
}

// Texts makes a document of each text.
func Texts(texts ...string) []*rerankdv1.Document {
	documents := make([]*rerankdv1.Document, len(texts))
	for i, text := range texts {
		documents[i] = Text(text)
	}
	return documents
}

// FieldsWithID makes a structured document; RerankOptions.document_fields names the fields that are scored.
// Values are those of JSON: nil, bool, numbers, string, []any and map[string]any. Any other is an
// [ErrInvalidRequest].
func FieldsWithID(id string, fields map[string]any) (*rerankdv1.Document, error) {
	message, err := structpb.NewStruct(fields)
	if err != nil {
		invalid := invalidRequest("fields", fmt.Sprintf("hold a value that JSON does not know: %v", err), nil)
		invalid.cause = err
		return nil, invalid
	}
	return &rerankdv1.Document{Id: id, Content: &rerankdv1.Document_Fields{Fields: message}}, nil
}

// WithOriginalScore sets the score that the stage before reranking gave, on any scale, and returns the
// document.
func WithOriginalScore(document *rerankdv1.Document, score float32) *rerankdv1.Document {
	document.OriginalScore = &score
	return document
}
