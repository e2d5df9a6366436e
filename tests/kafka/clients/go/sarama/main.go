// The sarama client of the tests; the README beside the clients describes what each of them does.
package main

import (
	"context"
	"time"

	"github.com/IBM/sarama"

	"portolan.test/clients/kit"
)

func main() {
	task := kit.TaskFromEnv()
	if scenario := kit.Scenario(); scenario != "round-trip" {
		kit.Fail("no such scenario: %s", scenario)
	}
	time.AfterFunc(kit.Patience, func() { kit.Fail("the round trip takes too long") })
	config := configuration(task)
	admin, err := sarama.NewClusterAdmin(task.Bootstrap, config)
	kit.Check("connect", err)
	err = admin.CreateTopic(task.Topic, &sarama.TopicDetail{NumPartitions: 3, ReplicationFactor: 3}, false)
	kit.Check("create the topic", err)

	report := kit.RoundTrip{Created: true}
	report.Produced = produce(task, config)
	consumed := consume(task, config)
	report.Consumed, report.Distinct = consumed.Count(), consumed.Distinct()
	brokers, _, err := admin.DescribeCluster()
	kit.Check("describe the cluster", err)
	report.Brokers = task.Brokers(addresses(brokers))
	kit.Check("delete the topic", admin.DeleteTopic(task.Topic))
	report.Deleted = true
	kit.Check("close", admin.Close())
	kit.Report(report)
}

func configuration(task kit.Task) *sarama.Config {
	config := sarama.NewConfig()
	config.Version = sarama.V3_9_0_0
	config.Producer.Idempotent = true
	config.Producer.RequiredAcks = sarama.WaitForAll
	config.Producer.Return.Successes = true
	config.Producer.Retry.Max = 20 // A topic that was just created may not have its leaders yet.
	config.Net.MaxOpenRequests = 1 // What sarama demands of an idempotent producer.
	config.Consumer.Offsets.Initial = sarama.OffsetOldest
	if tls := kit.TLS(); tls != nil {
		config.Net.TLS.Enable = true
		config.Net.TLS.Config = tls
	}
	if task.Mechanism == "" {
		return config
	}
	config.Net.SASL.Enable = true
	config.Net.SASL.Version = sarama.SASLHandshakeV1
	config.Net.SASL.Mechanism = sarama.SASLMechanism(task.Mechanism)
	config.Net.SASL.User = task.User
	config.Net.SASL.Password = task.Password
	config.Net.SASL.SCRAMClientGeneratorFunc = func() sarama.SCRAMClient { return &scramClient{mechanism: task.Mechanism} }
	return config
}

func produce(task kit.Task, config *sarama.Config) int {
	producer, err := sarama.NewSyncProducer(task.Bootstrap, config)
	kit.Check("make a producer", err)
	messages := []*sarama.ProducerMessage{}
	for number := range task.Records {
		messages = append(messages, &sarama.ProducerMessage{
			Topic: task.Topic,
			Key:   sarama.StringEncoder(kit.Key(number)),
			Value: sarama.StringEncoder(kit.Value(number)),
		})
	}
	// It returns without an error only if each of them was acknowledged.
	kit.Check("produce", producer.SendMessages(messages))
	kit.Check("close the producer", producer.Close())
	return len(messages)
}

func consume(task kit.Task, config *sarama.Config) (consumed kit.Consumed) {
	group, err := sarama.NewConsumerGroup(task.Bootstrap, task.Group, config)
	kit.Check("make a consumer group", err)
	ctx, cancel := context.WithTimeout(context.Background(), kit.Patience)
	defer cancel()
	messages := make(chan *sarama.ConsumerMessage)
	ended := make(chan error, 1)
	go func() {
		var err error
		for err == nil && ctx.Err() == nil {
			err = group.Consume(ctx, []string{task.Topic}, handler{messages})
		}
		ended <- err
	}()
	for consumed.Distinct() < task.Records {
		select {
		case message := <-messages:
			consumed.Add(message.Partition, message.Offset, string(message.Key), string(message.Value))
		case err := <-ended:
			kit.Fail("the consumer group ended: %v", err)
		}
	}
	cancel()
	kit.Check("consume", <-ended)
	kit.Check("leave the group", group.Close())
	return consumed
}

type handler struct {
	messages chan<- *sarama.ConsumerMessage
}

func (handler) Setup(sarama.ConsumerGroupSession) error   { return nil }
func (handler) Cleanup(sarama.ConsumerGroupSession) error { return nil }
func (h handler) ConsumeClaim(session sarama.ConsumerGroupSession, claim sarama.ConsumerGroupClaim) error {
	for message := range claim.Messages() {
		select {
		case h.messages <- message:
			session.MarkMessage(message, "")
		case <-session.Context().Done():
			return nil
		}
	}
	return nil
}

func addresses(brokers []*sarama.Broker) []string {
	addresses := []string{}
	for _, broker := range brokers {
		addresses = append(addresses, broker.Addr())
	}
	return addresses
}
