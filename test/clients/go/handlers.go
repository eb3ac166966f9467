// What this executor performs. Put your own functions here.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"time"
)

// region handlers

var handlers = map[string]Handler{"double": double, "await-file": awaitFile}

// double has input {n} and outputs {n}. An input without a number is a failure that no retry mends.
func double(_ context.Context, attempt *Attempt) (any, error) {
	var input struct{ N *float64 }
	if err := json.Unmarshal([]byte(attempt.Input.GetJson()), &input); err != nil || input.N == nil {
		return nil, Permanent{"the input has no number n"}
	}
	attempt.Tokens++ // reported as usage, and booked to the plan's budget
	return map[string]any{"n": *input.N * 2}, nil
}

// awaitFile has input {path} and looks until the file is there. An attempt after this one goes on counting where it stopped.
func awaitFile(ctx context.Context, attempt *Attempt) (any, error) {
	var input struct{ Path string }
	if err := json.Unmarshal([]byte(attempt.Input.GetJson()), &input); err != nil {
		return nil, Permanent{err.Error()}
	}
	var seen struct {
		Looks int `json:"looks"`
	}
	_ = json.Unmarshal([]byte(attempt.Checkpoint.GetJson()), &seen) // a first attempt has none
	beganAt := seen.Looks
	for {
		if _, err := os.Stat(input.Path); err == nil {
			return map[string]any{"looks": seen.Looks, "began_at": beganAt}, nil
		}
		seen.Looks++
		attempt.Tell(0.5, fmt.Sprintf("looked %d times", seen.Looks), seen)
		select {
		case <-ctx.Done(): // the server says stop
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// endregion handlers
