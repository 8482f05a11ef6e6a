package rerankd

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"google.golang.org/grpc/codes"
	"google.golang.org/protobuf/encoding/protowire"
	"google.golang.org/protobuf/proto"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// limits are the server's bounds that decide how a client packs documents.
type limits struct {
	documents       int
	receiveBytes    int
	chunkBytes      int
	streamWindow    int
	snapshotResults int
}

// defaultLimits hold until Status has told the live ones.
var defaultLimits = limits{
	documents:       1024,
	receiveBytes:    16 << 20,
	chunkBytes:      1 << 20,
	streamWindow:    512,
	snapshotResults: 1000,
}

// limitsOf gives the live limits; one that an older server does not tell keeps its default.
func limitsOf(told *rerankdv1.Limits) *limits {
	live := defaultLimits
	replace(&live.documents, int64(told.GetMaxDocuments()))
	replace(&live.receiveBytes, told.GetMaxReceiveBytes())
	replace(&live.chunkBytes, told.GetMaxChunkBytes())
	replace(&live.streamWindow, int64(told.GetStreamWindowDocuments()))
	replace(&live.snapshotResults, int64(told.GetMaxSnapshotResults()))
	return &live
}

func replace(limit *int, told int64) {
	if told > 0 {
		*limit = int(told)
	}
}

// check says what the server would answer to a unary request; gRPC's own answer to a large message names
// no reason.
func (l *limits) check(documents, bytes int) error {
	if documents > l.documents {
		return tooManyDocuments(documents, l.documents)
	}
	if bytes > l.receiveBytes {
		return &Error{
			Code: codes.ResourceExhausted,
			Message: fmt.Sprintf("the request has %d bytes; the limit is %d: use RerankStream or RerankAll",
				bytes, l.receiveBytes),
			Metadata: map[string]string{
				"bytes": strconv.Itoa(bytes), "limit": strconv.Itoa(l.receiveBytes),
			},
			sentinel: ErrMessageTooLarge,
		}
	}
	return nil
}

func tooManyDocuments(count, limit int) *Error {
	message := fmt.Sprintf("%d documents; a unary request takes at most %d: use RerankStream or RerankAll "+
		"for more", count, limit)
	return &Error{
		Code:    codes.InvalidArgument,
		Reason:  "TOO_MANY_DOCUMENTS",
		Message: message,
		Metadata: map[string]string{
			"documents": strconv.Itoa(count), "limit": strconv.Itoa(limit),
		},
		FieldViolations: []FieldViolation{{Field: "documents", Description: message}},
	}
}

// check refuses what the server would refuse. It asks for the live limits before it says no.
func (c *Client) check(ctx context.Context, documents int, request proto.Message) error {
	bytes := proto.Size(request)
	current := &defaultLimits
	if known := c.limits.Load(); known != nil {
		current = known
	}
	err := current.check(documents, bytes)
	if err == nil || current != &defaultLimits {
		return err
	}
	live, failure := c.liveLimits(ctx)
	if failure != nil {
		return failure
	}
	return live.check(documents, bytes)
}

// liveLimits asks Status, once for each client. A server that does not allow Status has the defaults; the
// error of a call that would not get through either is returned.
func (c *Client) liveLimits(ctx context.Context) (*limits, error) {
	if known := c.limits.Load(); known != nil {
		return known, nil
	}
	_, err := c.Status(ctx)
	switch {
	case err == nil:
		return c.limits.Load(), nil
	case errors.Is(err, ErrUnavailable), errors.Is(err, ErrDeadlineExceeded), errors.Is(err, ErrCancelled):
		return nil, err
	}
	assumed := defaultLimits
	c.limits.CompareAndSwap(nil, &assumed)
	return c.limits.Load(), nil
}

// Query, instruction and names of fields take far less of a unary request.
const reservedBytes = 64 << 10

// unaryBudget says, document by document, whether a set still fits one unary request.
type unaryBudget struct{ documents, bytes int }

func newUnaryBudget(l *limits) *unaryBudget {
	return &unaryBudget{documents: l.documents, bytes: l.receiveBytes - reservedBytes}
}

// take counts a document; false means that the set is too large with it.
func (b *unaryBudget) take(document *rerankdv1.Document) bool {
	b.documents--
	b.bytes -= protowire.SizeBytes(proto.Size(document)) + 1
	return b.documents >= 0 && b.bytes >= 0
}
