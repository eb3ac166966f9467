// One attempt of a step: what its handler is given, what it has to tell, and the outcome that it comes to.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"google.golang.org/protobuf/types/known/durationpb"

	pb "example.com/executor/gen/maestro/v1"
)

// region attempt

// Handler performs steps of a capability. It returns its outputs, which become a JSON object; its context ends when the
// server says stop.
type Handler func(ctx context.Context, attempt *Attempt) (any, error)

// Permanent is a failure that no retry mends; every other error may pass when tried again.
type Permanent struct{ Reason string }

func (p Permanent) Error() string { return p.Reason }

// Attempt is one assignment while it runs. Its lease goes back with the outcome exactly as it came.
type Attempt struct {
	*pb.Assignment // also: purpose (do or undo), deadline, idempotency key, remaining budget
	Tokens         int64
	began          time.Time
	ctx            context.Context
	cancel         context.CancelFunc
	lost           bool // the lease is gone: nobody waits for an outcome
	telling        sync.Mutex
	told           *pb.Renewal
	hasNews        bool
}

func newAttempt(assignment *pb.Assignment) *Attempt {
	attempt := &Attempt{Assignment: assignment, began: time.Now()}
	attempt.ctx, attempt.cancel = context.WithCancel(context.Background())
	return attempt
}

// Tell travels with the next sign of life, the newest word only. A later attempt begins with the checkpoint.
func (a *Attempt) Tell(progress float64, message string, checkpoint any) {
	text, _ := json.Marshal(checkpoint)
	a.telling.Lock()
	defer a.telling.Unlock()
	a.told = &pb.Renewal{
		Lease: a.Lease, Progress: progress, Message: message,
		Checkpoint: &pb.Payload{Value: &pb.Payload_Json{Json: string(text)}},
	}
	a.hasNews = true
}

func (a *Attempt) takeNews() *pb.Renewal {
	a.telling.Lock()
	defer a.telling.Unlock()
	if !a.hasNews {
		return nil
	}
	a.hasNews = false
	return a.told
}

func (a *Attempt) tellAgain() {
	a.telling.Lock()
	defer a.telling.Unlock()
	a.hasNews = a.told != nil
}

// perform comes to an outcome, whatever happens.
func (a *Attempt) perform(handler Handler) *pb.Outcome {
	defer a.cancel()
	outcome := &pb.Outcome{Lease: a.Lease}
	if handler == nil {
		refusal := &pb.ExecutorRefusal{Explanation: "no handler for " + a.Capability}
		outcome.Result = &pb.Outcome_Refusal{Refusal: refusal}
		return outcome
	}
	outputs, err := a.call(handler)
	var permanent Permanent
	switch {
	case err == nil:
		outcome.Result = &pb.Outcome_Success{Success: &pb.Success{Outputs: outputs}}
	case a.ctx.Err() != nil:
		outcome.Result = &pb.Outcome_Stopped{Stopped: &pb.Stopped{Message: "told to stop"}}
	case errors.As(err, &permanent):
		outcome.Result = failure(pb.ErrorClass_ERROR_CLASS_PERMANENT, err)
	default:
		outcome.Result = failure(pb.ErrorClass_ERROR_CLASS_TRANSIENT, err)
	}
	wall := time.Since(a.began).Truncate(time.Millisecond)
	outcome.Usage = &pb.Amounts{Tokens: a.Tokens, Wall: durationpb.New(wall)}
	return outcome
}

func (a *Attempt) call(handler Handler) (outputs *pb.Payload, err error) {
	defer func() {
		if panicked := recover(); panicked != nil {
			err = Permanent{fmt.Sprint("panic: ", panicked)}
		}
	}()
	value, err := handler(a.ctx, a)
	if err != nil || value == nil {
		return nil, err // a JSON object, or nothing
	}
	text, err := json.Marshal(value)
	return &pb.Payload{Value: &pb.Payload_Json{Json: string(text)}}, err
}

// endregion attempt

func failure(class pb.ErrorClass, err error) *pb.Outcome_Failure {
	return &pb.Outcome_Failure{Failure: &pb.Failure{ErrorClass: class, Message: err.Error()}}
}

func resultOf(outcome *pb.Outcome) string {
	switch outcome.Result.(type) {
	case *pb.Outcome_Success:
		return "success"
	case *pb.Outcome_Stopped:
		return "stopped"
	case *pb.Outcome_Refusal:
		return "refusal"
	default:
		return "failure"
	}
}
