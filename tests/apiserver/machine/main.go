// What the tests need of a Kubernetes cluster in one program: etcd and Kubernetes' own parts. The first argument says which of them it
// is. Each ends when its standard input does, and so never outlives the test that began it.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"
	"go.etcd.io/etcd/server/v3/embed"
	"k8s.io/component-base/cli"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var parts = map[string]func() *cobra.Command{
	"apiserver":          apiserver.NewAPIServerCommand,
	"controller-manager": controllers.NewControllerManagerCommand,
	"kubelet":            func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"proxy":              proxy.NewProxyCommand,
	"scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
}

func main() {
	if len(os.Args) > 1 {
		part := os.Args[1]
		os.Args = append(os.Args[:1], os.Args[2:]...)
		go endWithInput()
		if command := parts[part]; command != nil {
			os.Exit(cli.Run(command()))
		}
		if part == "etcd" {
			if err := etcd(os.Args[1:]); err != nil {
				fmt.Fprintln(os.Stderr, err)
				os.Exit(1)
			}
			return
		}
	}
	fmt.Fprintln(os.Stderr, "usage: machine etcd CONFIGURATION | machine PART FLAG...")
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
