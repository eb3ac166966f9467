// An executor in Go on stubs generated from the contract, with nothing else of Maestro's: the protocol. Not here: what it
// performs (handlers.go), one attempt (attempt.go), the process (main.go). Regions are what the guide shows.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/metadata"
	"google.golang.org/grpc/status"

	pb "example.com/executor/gen/maestro/v1"
)

const (
	signOfLife   = time.Second      // between two; the server thinks an executor gone after several seconds of silence
	firstWelcome = 10 * time.Second // that a server may take to say welcome, which names the limit from then on

	// Before a new stream. Short at first, because a lease outlives its stream by a short grace only; never long, because a
	// server that has started again waits a few seconds for executors before it gives their leases away.
	firstWait   = 100 * time.Millisecond
	longestWait = 2 * time.Second
)

// The same hello would get the same answer: these end the executor, everything else is tried again.
var final = map[codes.Code]bool{
	codes.InvalidArgument: true, codes.NotFound: true, codes.PermissionDenied: true,
	codes.Unauthenticated: true, codes.Unimplemented: true,
}

// leaseKey names a lease in this process.
type leaseKey struct {
	plan    string
	ordinal int32
	fencing int64
}

func keyOf(lease *pb.Lease) leaseKey {
	return leaseKey{lease.GetPlanId(), lease.GetOrdinal(), lease.GetFencing()}
}

// Executor keeps all of its state in the goroutine that runs Serve; others post functions to events.
type Executor struct {
	name           string
	slots          int32
	apiKey         string
	incarnation    string
	handlers       map[string]Handler
	attempts       map[leaseKey]*Attempt    // running
	unacknowledged map[leaseKey]*pb.Outcome // the server has not said that they are durable
	events         chan func()
	stream         grpc.BidiStreamingClient[pb.AttachRequest, pb.AttachResponse] // nil between two streams
	number         int64
	draining       bool
	wait           time.Duration
}

// region hello

// hello opens every stream. Leases that it does not list return to the server and are performed elsewhere.
func (e *Executor) hello() *pb.Hello {
	spec := &pb.ExecutorSpec{Name: e.name, Slots: max(1, e.slots)}
	for capability := range e.handlers {
		spec.Capabilities = append(spec.Capabilities, capability)
	}
	hello := &pb.Hello{Spec: spec, Incarnation: e.incarnation}
	for _, attempt := range e.attempts {
		hello.Held = append(hello.Held, attempt.Lease)
	}
	for _, outcome := range e.unacknowledged {
		hello.Held = append(hello.Held, outcome.Lease)
		hello.Unsent = append(hello.Unsent, outcome)
	}
	return hello
}

// open begins a new stream, which knows nothing of what went over the last one.
func (e *Executor) open() {
	e.number = 0
	e.say(&pb.AttachRequest{Message: &pb.AttachRequest_Hello{Hello: e.hello()}})
	for _, attempt := range e.attempts {
		attempt.tellAgain()
	}
	if e.slots == 0 { // a hello cannot say "none"
		e.SetSlots(0)
	}
	if e.draining {
		e.say(&pb.AttachRequest{Message: &pb.AttachRequest_Drain{Drain: &pb.Drain{}}})
	}
}

// endregion hello

// region send

// say numbers what is said from 1, on each stream anew. What a broken stream did not carry, the next hello does.
func (e *Executor) say(request *pb.AttachRequest) {
	if e.stream == nil {
		return
	}
	e.number++
	request.Number = e.number
	_ = e.stream.Send(request) // why it failed is for Recv to say
}

// renew shows life, and tells the news of attempts. Leases need nothing else while the stream lives.
func (e *Executor) renew() {
	renewals := &pb.Renewals{}
	for _, attempt := range e.attempts {
		if renewal := attempt.takeNews(); renewal != nil {
			renewals.Renewals = append(renewals.Renewals, renewal)
		}
	}
	e.say(&pb.AttachRequest{Message: &pb.AttachRequest_Renewals{Renewals: renewals}})
}

// report keeps the outcome until it is acknowledged: a stream that breaks meanwhile carries it in the next hello.
func (e *Executor) report(outcome *pb.Outcome) {
	e.unacknowledged[keyOf(outcome.Lease)] = outcome
	outcomes := &pb.Outcomes{Outcomes: []*pb.Outcome{outcome}}
	e.say(&pb.AttachRequest{Message: &pb.AttachRequest_Outcomes{Outcomes: outcomes}})
}

// endregion send

// region perform

func (e *Executor) take(assignment *pb.Assignment) {
	key := keyOf(assignment.Lease)
	if e.attempts[key] != nil || e.unacknowledged[key] != nil {
		return // a server that is not sure whether an assignment arrived sends it again
	}
	attempt := newAttempt(assignment)
	e.attempts[key] = attempt
	fmt.Println("began", attempt.Lease.Step, attempt.Lease.Fencing)
	go func() {
		outcome := attempt.perform(e.handlers[assignment.Capability])
		e.events <- func() { e.ended(attempt, outcome) }
	}()
}

func (e *Executor) ended(attempt *Attempt, outcome *pb.Outcome) {
	fmt.Println("ended", attempt.Lease.Step, resultOf(outcome))
	if !attempt.lost {
		e.renew() // the last checkpoint goes first: after the outcome nobody listens to the attempt
		e.report(outcome)
	}
	delete(e.attempts, keyOf(attempt.Lease))
}

func (e *Executor) stop(lease *pb.Lease, outcomeWanted bool) {
	if attempt := e.attempts[keyOf(lease)]; attempt != nil {
		attempt.lost = !outcomeWanted
		attempt.cancel()
	}
}

// endregion perform

// region receive

// receive takes what the server says. Acknowledgements come beside any message, or alone.
func (e *Executor) receive(response *pb.AttachResponse) {
	for _, ack := range response.Acks {
		e.acknowledged(ack)
	}
	switch message := response.Message.(type) {
	case *pb.AttachResponse_Welcome:
		e.wait = firstWait
		for _, lease := range message.Welcome.Lost {
			e.stop(lease, false)
		}
		fmt.Println("attached", message.Welcome.ExecutorId, len(message.Welcome.Resumed))
	case *pb.AttachResponse_Assignments:
		for _, assignment := range message.Assignments.Assignments {
			e.take(assignment)
		}
	case *pb.AttachResponse_Stops:
		for _, stop := range message.Stops.Stops {
			e.stop(stop.Lease, stop.OutcomeWanted)
		}
	}
}

// acknowledged forgets what is durable or refused for good; what is refused for now is said again after the delay named.
func (e *Executor) acknowledged(ack *pb.OutcomeAck) {
	key := keyOf(ack.Lease)
	outcome := e.unacknowledged[key]
	if outcome == nil || !ack.GetRefusal().GetRetryable() {
		delete(e.unacknowledged, key)
		return
	}
	delay := time.Second
	if named := ack.GetRefusal().RetryAfter; named != nil {
		delay = named.AsDuration()
	}
	time.AfterFunc(delay, func() {
		e.events <- func() {
			if e.unacknowledged[key] != nil {
				e.report(outcome)
			}
		}
	})
}

// endregion receive

// region stream

// attach holds one stream from hello to its end, and returns the server's goodbye if there was one.
func (e *Executor) attach(address string) (*pb.Goodbye, error) {
	// A connection for each stream: one that is kept would add waits of its own to ours.
	connection, err := grpc.NewClient(address, grpc.WithTransportCredentials(insecure.NewCredentials()))
	if err != nil {
		return nil, err
	}
	defer connection.Close()
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	if e.apiKey != "" {
		ctx = metadata.AppendToOutgoingContext(ctx, "authorization", "Bearer "+e.apiKey)
	}
	limit := firstWelcome
	silence := time.AfterFunc(limit, func() { cancel(errors.New("the server is silent")) })
	defer silence.Stop()

	e.stream, err = pb.NewDispatchServiceClient(connection).Attach(ctx)
	if err != nil {
		return nil, err
	}
	defer func() { e.stream = nil }()
	e.open()

	responses, broken := make(chan *pb.AttachResponse), make(chan error, 1)
	go func(stream grpc.BidiStreamingClient[pb.AttachRequest, pb.AttachResponse]) {
		for {
			response, err := stream.Recv()
			if err != nil {
				broken <- err
				return
			}
			select {
			case responses <- response:
			case <-ctx.Done():
			}
		}
	}(e.stream)

	life := time.NewTicker(signOfLife)
	defer life.Stop()
	for {
		select {
		case event := <-e.events:
			event()
		case <-life.C:
			e.renew()
		case response := <-responses:
			if named := response.GetWelcome().GetSilenceLimit(); named != nil {
				limit = named.AsDuration()
			}
			silence.Reset(limit)
			e.receive(response)
			if goodbye := response.GetGoodbye(); goodbye != nil {
				return goodbye, nil
			}
		case err := <-broken:
			if errors.Is(err, io.EOF) {
				return nil, nil
			}
			return nil, err
		}
	}
}

// Serve opens streams, one after the other, until the executor is drained. What runs goes on between them.
func (e *Executor) Serve(address string) error {
	for !e.draining || len(e.attempts) > 0 || len(e.unacknowledged) > 0 {
		goodbye, err := e.attach(address)
		if err != nil {
			if final[status.Code(err)] {
				return err
			}
			fmt.Println("detached", status.Code(err))
		}
		if refusal := goodbye.GetRefusal(); refusal != nil && !goodbye.Reconnect && !refusal.Retryable {
			return errors.New(refusal.Explanation)
		}
		if !goodbye.GetReconnect() {
			// Half of the wait is drawn, so that a fleet does not come back in step.
			e.pause(e.wait/2 + rand.N(e.wait/2))
			e.wait = min(e.wait*2, longestWait)
		}
	}
	return nil
}

func (e *Executor) pause(wait time.Duration) {
	for over := time.After(wait); ; {
		select {
		case event := <-e.events:
			event()
		case <-over:
			return
		}
	}
}

// endregion stream

// region drain

// Drain takes no new steps; the server says goodbye when the outcomes of those that run are durable.
func (e *Executor) Drain() {
	if !e.draining {
		e.draining = true
		fmt.Println("draining")
		e.say(&pb.AttachRequest{Message: &pb.AttachRequest_Drain{Drain: &pb.Drain{}}})
	}
}

// SetSlots changes how many steps it performs at once; 0 pauses.
func (e *Executor) SetSlots(slots int32) {
	e.slots = slots
	e.say(&pb.AttachRequest{Message: &pb.AttachRequest_Slots{Slots: &pb.Slots{Slots: slots}}})
}

// endregion drain
