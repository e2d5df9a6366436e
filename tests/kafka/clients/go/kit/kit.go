// Package kit is what the two Go clients share: what they were asked to do, and how they report it.
package kit

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Patience is how long a step may take before the program gives up.
const Patience = 60 * time.Second

// Task is what the environment asks for.
type Task struct {
	Bootstrap     []string
	Topic         string
	Group         string
	Records       int
	Mechanism     string
	User          string
	Password      string
	ExpectBrokers []string
	// Acks is "all" or "0".
	Acks string
	// Burst is how many times its usual load a producer of traffic writes.
	Burst int
}

// TaskFromEnv reads the task; a missing variable ends the program.
func TaskFromEnv() Task {
	return Task{
		Bootstrap:     strings.Split(must("BOOTSTRAP"), ","),
		Topic:         must("TOPIC"),
		Group:         must("GROUP"),
		Records:       number("RECORDS", 1000),
		Mechanism:     os.Getenv("SASL_MECHANISM"),
		User:          os.Getenv("SASL_USERNAME"),
		Password:      os.Getenv("SASL_PASSWORD"),
		ExpectBrokers: addresses("EXPECT_BROKERS"),
		Acks:          optional("ACKS", "all"),
		Burst:         number("BURST", 1),
	}
}

// Scenario is the program's only argument.
func Scenario() string {
	if len(os.Args) != 2 {
		Fail("usage: PROGRAM round-trip|traffic|refused")
	}
	return os.Args[1]
}

// Report prints one JSON object on a line of its own.
func Report(value any) {
	line, err := json.Marshal(value)
	Check("encode the report", err)
	fmt.Println(string(line))
}

// RoundTrip is the report of the scenario of that name.
type RoundTrip struct {
	Created  bool     `json:"created"`
	Produced int      `json:"produced"`
	Consumed int      `json:"consumed"`
	Distinct int      `json:"distinct"`
	Brokers  []string `json:"brokers"`
	Deleted  bool     `json:"deleted"`
}

// Key and Value are those of a round trip's record.
func Key(number int) string   { return fmt.Sprintf("key-%d", number) }
func Value(number int) string { return fmt.Sprintf("value-%d", number) }

// Consumed counts what a round trip got back.
type Consumed struct {
	places   map[place]bool
	distinct map[string]bool
}

// Add notes a record; one whose value belongs to another key ends the program.
func (c *Consumed) Add(partition int32, offset int64, key, value string) {
	if strings.Replace(key, "key", "value", 1) != value {
		Fail("%s came with %s", key, value)
	}
	if c.distinct == nil {
		c.places = map[place]bool{}
		c.distinct = map[string]bool{}
	}
	c.places[place{partition, offset}] = true
	c.distinct[key] = true
}

// Count is how many places of the topic were delivered, however often each.
func (c *Consumed) Count() int { return len(c.places) }

// Distinct is how many different keys came.
func (c *Consumed) Distinct() int { return len(c.distinct) }

// Brokers returns the addresses in order; others than those expected end the program.
func (t Task) Brokers(addresses []string) []string {
	slices.Sort(addresses)
	if t.ExpectBrokers != nil && !slices.Equal(addresses, t.ExpectBrokers) {
		Fail("the brokers are %v instead of %v", addresses, t.ExpectBrokers)
	}
	return addresses
}

// StdinClosed is closed when the test closes the program's standard input.
func StdinClosed() <-chan struct{} {
	closed := make(chan struct{})
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		close(closed)
	}()
	return closed
}

// Check ends the program if a step failed.
func Check(step string, err error) {
	if err != nil {
		Fail("%s: %v", step, err)
	}
}

// Fail ends the program with a message on stderr.
func Fail(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
	os.Exit(1)
}

func optional(name, otherwise string) string {
	if value := os.Getenv(name); value != "" {
		return value
	}
	return otherwise
}

func must(name string) string {
	value := os.Getenv(name)
	if value == "" {
		Fail("%s is not set", name)
	}
	return value
}

func addresses(name string) []string {
	text := os.Getenv(name)
	if text == "" {
		return nil
	}
	addresses := strings.Split(text, ",")
	slices.Sort(addresses)
	return addresses
}

func number(name string, otherwise int) int {
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	value, err := strconv.Atoi(text)
	Check(name, err)
	return value
}

// Note writes a line on stderr.
func Note(format string, values ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", values...)
}
