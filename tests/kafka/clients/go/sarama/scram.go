package main

import "github.com/xdg-go/scram"

// Sarama leaves the SCRAM conversation to its user; this hands it to the usual library.
type scramClient struct {
	mechanism    string
	conversation *scram.ClientConversation
}

func (c *scramClient) Begin(user, password, authorization string) error {
	hash := scram.SHA256
	if c.mechanism == "SCRAM-SHA-512" {
		hash = scram.SHA512
	}
	client, err := hash.NewClient(user, password, authorization)
	if err != nil {
		return err
	}
	c.conversation = client.NewConversation()
	return nil
}

func (c *scramClient) Step(challenge string) (string, error) { return c.conversation.Step(challenge) }

func (c *scramClient) Done() bool { return c.conversation.Done() }
