package rerankd_test

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protojson"
	"google.golang.org/protobuf/reflect/protoreflect"

	rerankd "github.com/rerankd/rerankd/clients/go"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

const defaultTolerance = 1e-4

// vector is an entry of the files that tests/conformance/README.md describes.
type vector struct {
	Name string `json:"name"`

	Rerank         json.RawMessage   `json:"rerank"`
	RerankAll      json.RawMessage   `json:"rerank_all"`
	RerankStream   json.RawMessage   `json:"rerank_stream"`
	RerankBatch    json.RawMessage   `json:"rerank_batch"`
	StreamMessages []json.RawMessage `json:"stream_messages"`

	Generate struct {
		Count int      `json:"count"`
		Texts []string `json:"texts"`
	} `json:"generate"`
	Emit                    string   `json:"emit"`
	ChunkDocuments          int      `json:"chunk_documents"`
	SnapshotIntervalSeconds *float64 `json:"snapshot_interval_seconds"`

	Tolerance float64     `json:"tolerance"`
	Expect    expectation `json:"expect"`
}

type expectation struct {
	SameAs string         `json:"same_as"`
	Error  *expectedError `json:"error"`
	Items  []expectation  `json:"items"`

	Results       []map[string]json.RawMessage `json:"results"`
	Count         *int                         `json:"count"`
	Outcome       string                       `json:"outcome"`
	OutcomeReason string                       `json:"outcome_reason"`
	Model         string                       `json:"model"`
	Usage         map[string]float64           `json:"usage"`
}

type expectedError struct {
	Code     string            `json:"code"`
	Reason   string            `json:"reason"`
	Metadata map[string]string `json:"metadata"`
	Fields   []string          `json:"fields"`
}

// answered is what a vector gave: one of the three.
type answered struct {
	ranking *rerankdv1.RerankResponse
	batch   *rerankdv1.RerankBatchResponse
	failure *rerankd.Error
}

func readVectors(t *testing.T, folder string) map[string]*vector {
	t.Helper()
	files := must[[]string](t)(filepath.Glob(filepath.Join(folder, "*.json")))
	if len(files) == 0 {
		t.Fatalf("no vectors in %s", folder)
	}
	all := map[string]*vector{}
	for _, file := range files {
		var content struct {
			Vectors []*vector `json:"vectors"`
		}
		if err := json.Unmarshal(must[[]byte](t)(os.ReadFile(file)), &content); err != nil {
			t.Fatalf("%s: %v", file, err)
		}
		for _, one := range content.Vectors {
			if all[one.Name] != nil {
				t.Fatalf("%s: %s is there twice", file, one.Name)
			}
			all[one.Name] = one
		}
	}
	return all
}

// request is the request of a vector with the documents that it generates.
func (v *vector) request(raw json.RawMessage) (*rerankdv1.RerankRequest, error) {
	request := &rerankdv1.RerankRequest{}
	if err := protojson.Unmarshal(raw, request); err != nil {
		return nil, err
	}
	for i := range v.Generate.Count {
		text := strings.ReplaceAll(v.Generate.Texts[i%len(v.Generate.Texts)], "{i}", fmt.Sprint(i))
		request.Documents = append(request.Documents, rerankd.TextWithID(fmt.Sprintf("g%d", i), text))
	}
	return request, nil
}

// differences compares an answer with what a vector expects.
func differences(all map[string]*vector, want expectation, tolerance float64, got answered) error {
	if tolerance == 0 {
		tolerance = defaultTolerance
	}
	switch {
	case want.SameAs != "":
		other := all[want.SameAs]
		if other == nil {
			return fmt.Errorf("same_as names no vector: %s", want.SameAs)
		}
		return differences(all, other.Expect, other.Tolerance, got)
	case want.Error != nil:
		return differentError(want.Error, got.failure)
	case got.failure != nil:
		return got.failure
	case want.Items != nil:
		return differentItems(all, want.Items, tolerance, got.batch)
	}
	return differentRanking(want, tolerance, got.ranking)
}

func differentError(want *expectedError, got *rerankd.Error) error {
	if got == nil {
		return fmt.Errorf("no error; want %+v", *want)
	}
	var code codes.Code
	if err := code.UnmarshalJSON([]byte(`"` + want.Code + `"`)); err != nil {
		return err
	}
	var fields []string
	for _, violation := range got.FieldViolations {
		fields = append(fields, violation.Field)
	}
	if got.Code != code || got.Reason != want.Reason || (want.Fields != nil && !slices.Equal(fields, want.Fields)) {
		return fmt.Errorf("%v %s for %v (%w); want %+v", got.Code, got.Reason, fields, got, *want)
	}
	for key, value := range want.Metadata {
		if got.Metadata[key] != value {
			return fmt.Errorf("metadata %v; want %v", got.Metadata, want.Metadata)
		}
	}
	return nil
}

func differentItems(
	all map[string]*vector, want []expectation, tolerance float64, got *rerankdv1.RerankBatchResponse,
) error {
	if len(want) != len(got.GetResults()) {
		return fmt.Errorf("%d items; want %d", len(got.GetResults()), len(want))
	}
	for i, result := range got.GetResults() {
		if want[i].Error != nil {
			if reason := result.GetError().GetReason(); reason != want[i].Error.Reason {
				return fmt.Errorf("item %d: reason %q; want %q", i, reason, want[i].Error.Reason)
			}
			continue
		}
		if err := differences(all, want[i], tolerance, answered{ranking: result.GetResponse()}); err != nil {
			return fmt.Errorf("item %d: %w", i, err)
		}
	}
	return nil
}

func differentRanking(want expectation, tolerance float64, got *rerankdv1.RerankResponse) error {
	count := len(want.Results)
	if want.Count != nil {
		count = *want.Count
	}
	if len(got.GetResults()) != count {
		return fmt.Errorf("%d results; want %d", len(got.GetResults()), count)
	}
	for i, entry := range want.Results {
		if err := differentFields(entry, tolerance, got.GetResults()[i]); err != nil {
			return fmt.Errorf("result %d: %w", i, err)
		}
	}
	outcome := strings.TrimPrefix(got.GetOutcome().String(), "OUTCOME_")
	switch {
	case want.Outcome != "" && want.Outcome != outcome:
		return fmt.Errorf("outcome %s; want %s", outcome, want.Outcome)
	case !strings.HasPrefix(got.GetOutcomeReason(), want.OutcomeReason):
		return fmt.Errorf("outcome_reason %q; want %q", got.GetOutcomeReason(), want.OutcomeReason)
	case want.Model != "" && want.Model != got.GetModel().GetId():
		return fmt.Errorf("model %q; want %q", got.GetModel().GetId(), want.Model)
	}
	usage := got.GetUsage().ProtoReflect()
	for name, value := range want.Usage {
		field := usage.Descriptor().Fields().ByName(protoreflect.Name(name))
		if field == nil || fmt.Sprint(usage.Get(field)) != fmt.Sprint(value) {
			return fmt.Errorf("usage %v; want %v", got.GetUsage(), want.Usage)
		}
	}
	return nil
}

// differentFields compares the listed fields of one result.
func differentFields(want map[string]json.RawMessage, tolerance float64, got *rerankdv1.RerankResult) error {
	// A message of nothing but the listed fields is what the other is compared with.
	text, err := json.Marshal(want)
	if err != nil {
		return err
	}
	wanted := &rerankdv1.RerankResult{}
	if err := protojson.Unmarshal(text, wanted); err != nil {
		return err
	}
	for name := range want {
		field := got.ProtoReflect().Descriptor().Fields().ByName(protoreflect.Name(name))
		a, b := wanted.ProtoReflect().Get(field), got.ProtoReflect().Get(field)
		same := a.Equal(b)
		if field.Kind() == protoreflect.FloatKind {
			same = math.Abs(a.Float()-b.Float()) <= tolerance
		}
		if !same || (field.HasPresence() && string(want[name]) != "null" && !got.ProtoReflect().Has(field)) {
			return fmt.Errorf("%s is %v; want %s (%v)", name, b, want[name], got)
		}
	}
	return nil
}
