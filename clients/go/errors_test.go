package rerankd_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rerankd "github.com/rerankd/rerankd/clients/go"
	"github.com/rerankd/rerankd/clients/go/internal/fakeserver"
	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// reasons is the table of clients/README.md.
var reasons = []struct {
	reason   string
	code     codes.Code
	sentinel error
	parent   error
}{
	{"INVALID_REQUEST", codes.InvalidArgument, rerankd.ErrInvalidRequest, nil},
	{"TOO_MANY_DOCUMENTS", codes.InvalidArgument, rerankd.ErrTooManyDocuments, rerankd.ErrInvalidRequest},
	{"DOCUMENT_TOO_LONG", codes.InvalidArgument, rerankd.ErrDocumentTooLong, rerankd.ErrInvalidRequest},
	{"STREAM_PROTOCOL", codes.InvalidArgument, rerankd.ErrStreamProtocol, rerankd.ErrInvalidRequest},
	{"MODEL_NOT_FOUND", codes.NotFound, rerankd.ErrModelNotFound, nil},
	{"MODEL_FAILED", codes.FailedPrecondition, rerankd.ErrModelFailed, nil},
	{"MODEL_LOADING", codes.Unavailable, rerankd.ErrModelLoading, rerankd.ErrUnavailable},
	{"OVERLOADED", codes.Unavailable, rerankd.ErrOverloaded, rerankd.ErrUnavailable},
	{"DRAINING", codes.Unavailable, rerankd.ErrDraining, rerankd.ErrUnavailable},
	{"PROVIDER_UNAVAILABLE", codes.Unavailable, rerankd.ErrProviderUnavailable, rerankd.ErrUnavailable},
	{"QUOTA_EXCEEDED", codes.ResourceExhausted, rerankd.ErrQuotaExceeded, nil},
	{"CORPUS_NOT_FOUND", codes.NotFound, rerankd.ErrCorpusNotFound, nil},
	{"RUN_NOT_FOUND", codes.NotFound, rerankd.ErrRunNotFound, nil},
	{"RUN_ACTIVE", codes.FailedPrecondition, rerankd.ErrRunActive, nil},
	{"TOO_FEW_TRIPLETS", codes.FailedPrecondition, rerankd.ErrTooFewTriplets, nil},
	{"PROMOTION_REFUSED", codes.FailedPrecondition, rerankd.ErrPromotionRefused, nil},
	{"NOT_COMPARABLE", codes.FailedPrecondition, rerankd.ErrNotComparable, nil},
	{"UNAUTHENTICATED", codes.Unauthenticated, rerankd.ErrUnauthenticated, nil},
	{"FORBIDDEN", codes.PermissionDenied, rerankd.ErrForbidden, nil},
	{"DEADLINE_EXCEEDED", codes.DeadlineExceeded, rerankd.ErrDeadlineExceeded, context.DeadlineExceeded},
	{"CANCELLED", codes.Canceled, rerankd.ErrCancelled, context.Canceled},
	{"BACKEND_FAILED", codes.Internal, rerankd.ErrBackendFailed, nil},
	{"NON_FINITE_SCORE", codes.Internal, rerankd.ErrNonFiniteScore, nil},
	{"INTERNAL", codes.Internal, rerankd.ErrInternal, nil},
}

func TestEachReasonIsItsSentinelAndItsParentOnly(t *testing.T) {
	for _, row := range reasons {
		err := fmt.Errorf("wrapped: %w", rerankd.FromError(fakeserver.Failure(row.code, row.reason, "said")))
		for _, other := range reasons {
			want := other.sentinel == row.sentinel || other.sentinel == row.parent
			if errors.Is(err, other.sentinel) != want {
				t.Errorf("%s is %v: %v", row.reason, other.sentinel, !want)
			}
		}
		if row.parent != nil && !errors.Is(err, row.parent) {
			t.Errorf("%s is not %v", row.reason, row.parent)
		}
		if said, ok := status.FromError(err); !ok || said.Code() != row.code || len(said.Details()) != 1 {
			t.Errorf("%s: status %v", row.reason, said)
		}
	}
}

func TestEveryReasonOfTheContractIsKnown(t *testing.T) {
	known := map[string]bool{"UNSPECIFIED": true}
	for _, row := range reasons {
		known[row.reason] = true
	}
	for _, name := range rerankdv1.ErrorReason_name {
		if reason := strings.TrimPrefix(name, "ERROR_REASON_"); !known[reason] {
			t.Errorf("%s is in no row", reason)
		}
	}
}

func TestAReasonOfALaterServerIsReadByItsCode(t *testing.T) {
	for code, sentinel := range map[codes.Code]error{
		codes.Unavailable:      rerankd.ErrUnavailable,
		codes.DeadlineExceeded: rerankd.ErrDeadlineExceeded,
		codes.Canceled:         rerankd.ErrCancelled,
		codes.Unauthenticated:  rerankd.ErrUnauthenticated,
		codes.PermissionDenied: rerankd.ErrForbidden,
	} {
		if err := rerankd.FromError(fakeserver.Failure(code, "LATER", "said")); !errors.Is(err, sentinel) {
			t.Errorf("%v", err)
		}
	}
	var failure *rerankd.Error
	if err := rerankd.FromError(fakeserver.Failure(codes.DataLoss, "LATER", "said")); !errors.As(err, &failure) ||
		failure.Reason != "LATER" || errors.Is(err, rerankd.ErrInternal) {
		t.Errorf("%v", err)
	}
}

func TestFromErrorOfOtherErrors(t *testing.T) {
	if rerankd.FromError(nil) != nil {
		t.Error("nil is no error")
	}
	if err := rerankd.FromError(context.Canceled); !errors.Is(err, rerankd.ErrCancelled) {
		t.Errorf("%v", err)
	}
	cause := errors.New("cause")
	if err := rerankd.FromError(cause); !errors.Is(err, cause) || status.Code(err) != codes.Unknown {
		t.Errorf("%v", err)
	}
	same := &rerankd.Error{Code: codes.Aborted}
	if got := rerankd.FromError(same); got != error(same) {
		t.Errorf("%v", got)
	}
	quota := rerankd.FromError(status.Error(codes.ResourceExhausted, "of a proxy"))
	if errors.Is(quota, rerankd.ErrMessageTooLarge) {
		t.Error("a proxy's quota is no large message")
	}
}

func TestAnErrorMadeHereIsAStatusWithDetails(t *testing.T) {
	err := &rerankd.Error{
		Code: codes.InvalidArgument, Reason: "INVALID_REQUEST", Message: "wrong",
		FieldViolations: []rerankd.FieldViolation{{Field: "query", Description: "is empty"}},
	}
	var info *errdetails.ErrorInfo
	var bad *errdetails.BadRequest
	for _, detail := range status.Convert(err).Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			info = detail
		case *errdetails.BadRequest:
			bad = detail
		}
	}
	if info.GetReason() != "INVALID_REQUEST" || info.GetDomain() != "rerankd" ||
		bad.GetFieldViolations()[0].GetField() != "query" {
		t.Errorf("%v %v", info, bad)
	}
	if err.Error() != "rerankd: INVALID_REQUEST: wrong" {
		t.Error(err.Error())
	}
}
