package rerankd

import (
	"errors"
	"fmt"
	"strings"

	"google.golang.org/genproto/googleapis/rpc/errdetails"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"

	rerankdv1 "github.com/rerankd/rerankd/clients/go/rerankd/v1"
)

// FromError gives the [*Error] for an error of gRPC, for callers that use the generated stubs themselves.
// An error that holds an *Error already comes back as it is, and nil as nil.
func FromError(err error) error {
	var known *Error
	if err == nil || errors.As(err, &known) {
		return err
	}
	return fromStatus(err)
}

func fromStatus(err error) *Error {
	said, ok := status.FromError(err)
	if !ok {
		said = status.FromContextError(err)
	}
	e := &Error{Code: said.Code(), Message: said.Message(), cause: err}
	for _, detail := range said.Details() {
		switch detail := detail.(type) {
		case *errdetails.ErrorInfo:
			if detail.GetDomain() == errorDomain {
				e.Reason, e.Metadata = detail.GetReason(), detail.GetMetadata()
			}
		case *errdetails.BadRequest:
			for _, violation := range detail.GetFieldViolations() {
				e.FieldViolations = append(e.FieldViolations, FieldViolation{
					Field: violation.GetField(), Description: violation.GetDescription(),
				})
			}
		case *errdetails.RetryInfo:
			e.RetryAfter = detail.GetRetryDelay().AsDuration()
		}
	}
	// The same code also stands for quotas of proxies, which a smaller message would not help.
	if e.Code == codes.ResourceExhausted && e.Reason == "" && strings.Contains(e.Message, "larger than max") {
		e.sentinel = ErrMessageTooLarge
	}
	return e
}

// BatchItemError gives the [*Error] of one result of a batch, or nil if it has a ranking.
func BatchItemError(result *rerankdv1.RerankBatchResult) error {
	failure := result.GetError()
	if failure == nil {
		return nil
	}
	code := codes.Unknown
	if k, ok := kinds[failure.GetReason()]; ok {
		code = k.code
	}
	return &Error{Code: code, Reason: failure.GetReason(), Message: failure.GetMessage()}
}

// invalidRequest is what the server would answer for a field out of its bounds.
func invalidRequest(field, description string, metadata map[string]string) *Error {
	return &Error{
		Code:            codes.InvalidArgument,
		Reason:          "INVALID_REQUEST",
		Message:         field + " " + description,
		Metadata:        metadata,
		FieldViolations: []FieldViolation{{Field: field, Description: description}},
	}
}

// brokenAnswer is the error for a server that does not keep to the contract.
func brokenAnswer(format string, values ...any) *Error {
	return &Error{Code: codes.Internal, Reason: "INTERNAL", Message: fmt.Sprintf(format, values...)}
}
