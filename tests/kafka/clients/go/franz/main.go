// The franz-go client of the tests; the README beside the clients describes what each of them does.
package main

import (
	"context"
	"fmt"
	"strconv"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kadm"
	"github.com/twmb/franz-go/pkg/kgo"
	"github.com/twmb/franz-go/pkg/sasl/plain"
	"github.com/twmb/franz-go/pkg/sasl/scram"

	"portolan.test/clients/kit"
)

func main() {
	task := kit.TaskFromEnv()
	switch scenario := kit.Scenario(); scenario {
	case "round-trip":
		roundTrip(task)
	case "traffic":
		traffic(task)
	case "refused":
		refused(task)
	default:
		kit.Fail("no such scenario: %s", scenario)
	}
}

func roundTrip(task kit.Task) {
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	client := connect(task)
	admin := kadm.NewClient(client)
	_, err := admin.CreateTopic(ctx, 3, 3, nil, task.Topic)
	kit.Check("create the topic", err)

	report := kit.RoundTrip{Created: true}
	report.Produced = produce(ctx, client, task)
	consumed := consume(ctx, task)
	report.Consumed, report.Distinct = consumed.Count(), consumed.Distinct()
	metadata, err := admin.BrokerMetadata(ctx)
	kit.Check("describe the cluster", err)
	report.Brokers = task.Brokers(addresses(metadata))
	_, err = admin.DeleteTopic(ctx, task.Topic)
	kit.Check("delete the topic", err)
	report.Deleted = true
	client.Close()
	kit.Report(report)
}

// What the library says about a cluster that does not let it in, or that it does not trust.
func refused(task kit.Task) {
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	words := map[string]any{"refused": nil}
	if err := connect(task).Ping(ctx); err != nil {
		words["refused"] = err.Error()
	}
	kit.Report(words)
}

// The client is idempotent with acks=all by default.
func connect(task kit.Task, more ...kgo.Opt) *kgo.Client {
	options := append([]kgo.Opt{
		kgo.SeedBrokers(task.Bootstrap...),
		kgo.DefaultProduceTopic(task.Topic),
		// A topic that was just created may not be known to every broker yet.
		kgo.UnknownTopicRetries(-1),
	}, more...)
	if config := kit.TLS(); config != nil {
		options = append(options, kgo.DialTLSConfig(config))
	}
	credentials := scram.Auth{User: task.User, Pass: task.Password}
	switch task.Mechanism {
	case "":
	case "PLAIN":
		options = append(options, kgo.SASL(plain.Auth{User: task.User, Pass: task.Password}.AsMechanism()))
	case "SCRAM-SHA-256":
		options = append(options, kgo.SASL(credentials.AsSha256Mechanism()))
	case "SCRAM-SHA-512":
		options = append(options, kgo.SASL(credentials.AsSha512Mechanism()))
	default:
		kit.Fail("no such mechanism: %s", task.Mechanism)
	}
	client, err := kgo.NewClient(options...)
	kit.Check("make a client", err)
	return client
}

func connectConsumer(task kit.Task) *kgo.Client {
	return connect(task,
		kgo.ConsumerGroup(task.Group),
		kgo.ConsumeTopics(task.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
	)
}

func produce(ctx context.Context, client *kgo.Client, task kit.Task) int {
	var mutex sync.Mutex
	produced := 0
	for number := range task.Records {
		record := &kgo.Record{Key: []byte(kit.Key(number)), Value: []byte(kit.Value(number))}
		client.Produce(ctx, record, func(_ *kgo.Record, err error) {
			kit.Check("produce", err)
			mutex.Lock()
			produced++
			mutex.Unlock()
		})
	}
	kit.Check("flush", client.Flush(ctx))
	mutex.Lock()
	defer mutex.Unlock()
	return produced
}

func consume(ctx context.Context, task kit.Task) (consumed kit.Consumed) {
	consumer := connectConsumer(task)
	defer consumer.Close()
	for consumed.Distinct() < task.Records {
		fetches := consumer.PollFetches(ctx)
		kit.Check("consume", fetches.Err())
		fetches.EachRecord(func(record *kgo.Record) {
			consumed.Add(record.Partition, record.Offset, string(record.Key), string(record.Value))
		})
	}
	kit.Check("commit", consumer.CommitUncommittedOffsets(ctx))
	return consumed
}

func addresses(metadata kadm.Metadata) []string {
	addresses := []string{}
	for _, broker := range metadata.Brokers {
		addresses = append(addresses, fmt.Sprintf("%s:%d", broker.Host, broker.Port))
	}
	return addresses
}

func traffic(task kit.Task) {
	ctx := context.Background()
	producer := connect(task, acks(task)...)
	ledger := kit.NewLedger()
	consumer := connectConsumer(task)
	go receive(ctx, consumer, ledger)
	go ledger.ReportProgress()

	closed := kit.StdinClosed()
	tick := time.NewTicker(10 * time.Millisecond)
	for number, open := 0, true; open; {
		for range 3 * task.Burst {
			send(ctx, producer, ledger, number)
			number++
		}
		select {
		case <-closed:
			open = false
		case <-tick.C:
		}
	}
	flushing, cancel := context.WithTimeout(ctx, kit.Patience)
	defer cancel()
	kit.Check("flush", producer.Flush(flushing))
	ledger.WaitForAll()
	kit.Report(ledger.Report())
}

// Without answers there is nothing by which the client could be idempotent.
func acks(task kit.Task) []kgo.Opt {
	if task.Acks == "0" {
		return []kgo.Opt{kgo.RequiredAcks(kgo.NoAck()), kgo.DisableIdempotentWrite()}
	}
	return nil
}

func send(ctx context.Context, producer *kgo.Client, ledger *kit.Ledger, number int) {
	text := []byte(strconv.Itoa(number))
	record := &kgo.Record{Key: text, Value: text}
	producer.Produce(ctx, record, func(_ *kgo.Record, err error) {
		if err != nil {
			ledger.Failed(number, err)
		} else {
			ledger.Acked(number)
		}
	})
}

func receive(ctx context.Context, consumer *kgo.Client, ledger *kit.Ledger) {
	for {
		fetches := consumer.PollFetches(ctx)
		// The library goes on by itself after most of these, so they are worth a line, not an end.
		fetches.EachError(func(topic string, partition int32, err error) {
			kit.Note("fetch %s-%d: %v", topic, partition, err)
		})
		fetches.EachRecord(func(record *kgo.Record) {
			number, err := strconv.Atoi(string(record.Value))
			kit.Check("read a number", err)
			ledger.Received(number, record.Partition, record.Offset)
		})
	}
}
