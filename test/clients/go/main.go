// The process: usage is executor HOST:PORT NAME SLOTS, with MAESTRO_API_KEY where the server asks for a key. It says on
// standard output what it does, takes another number of slots from each line of standard input, and drains on SIGTERM.
package main

import (
	"bufio"
	"crypto/rand"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	pb "example.com/executor/gen/maestro/v1"
)

func main() {
	address, name := os.Args[1], os.Args[2]
	slots, err := strconv.ParseInt(os.Args[3], 10, 32)
	if err != nil {
		end(err)
	}
	executor := &Executor{
		name:           name,
		slots:          int32(slots),
		apiKey:         os.Getenv("MAESTRO_API_KEY"),
		incarnation:    rand.Text(),
		handlers:       handlers,
		attempts:       map[leaseKey]*Attempt{},
		unacknowledged: map[leaseKey]*pb.Outcome{},
		events:         make(chan func()),
		wait:           firstWait,
	}
	terminated := make(chan os.Signal, 1)
	signal.Notify(terminated, syscall.SIGTERM)
	go func() {
		<-terminated
		executor.events <- executor.Drain
	}()
	go func() {
		for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
			if slots, err := strconv.ParseInt(lines.Text(), 10, 32); err == nil {
				executor.events <- func() { executor.SetSlots(int32(slots)) }
			}
		}
	}()
	if err := executor.Serve(address); err != nil {
		end(err)
	}
	fmt.Println("closed")
}

func end(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}
