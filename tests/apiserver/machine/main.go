// What the tests need of a Kubernetes cluster in one program: its own API server, and the etcd in which that keeps everything. The
// first argument says which of both it is. Either ends when its standard input does, and so never outlives the test that began it.
package main

import (
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	"k8s.io/kubernetes/cmd/kube-apiserver/app"
)

func main() {
	if len(os.Args) > 1 {
		part := os.Args[1]
		os.Args = append(os.Args[:1], os.Args[2:]...)
		go endWithInput()
		switch part {
		case "apiserver":
			os.Exit(cli.Run(app.NewAPIServerCommand()))
		case "etcd":
			if err := etcd(os.Args[1:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: machine apiserver FLAG... | machine etcd CONFIGURATION")
	os.Exit(2)
}

func endWithInput() {
	io.Copy(io.Discard, os.Stdin)
	os.Exit(1)
}

// One member, until it is told to stop.
func etcd(arguments []string) error {
	if len(arguments) != 1 {
		return fmt.Errorf("etcd takes the path of a configuration and nothing else, not %q", arguments)
	}
	config, err := embed.ConfigFromFile(arguments[0])
	if err != nil {
		return err
	}
	told := make(chan os.Signal, 1)
	signal.Notify(told, syscall.SIGTERM, syscall.SIGINT)
	server, err := embed.StartEtcd(config)
	if err != nil {
		return err
	}
	defer server.Close()
	select {
	case err := <-server.Err():
		return err
	case <-told:
		return nil
	}
}
