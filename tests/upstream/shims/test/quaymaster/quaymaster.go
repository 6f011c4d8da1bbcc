// Package quaymaster runs controllers of upstream's integration tests in a program of their own.
//
// The test servers tell it of each apiserver that they start (Starting), and the controllers' Run methods call Run, which
// starts the program that the environment names, for that apiserver and with the same rights as the test.
package quaymaster

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"k8s.io/apiserver/pkg/server"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

const (
	// The program that runs in place of a controller. Has to be set; where it is empty, nothing runs.
	programVariable = "QUAYMASTER_SHIM_PROGRAM"
	// Its first arguments, a JSON list of strings.
	argumentsVariable = "QUAYMASTER_SHIM_ARGUMENTS"
	// The folder for what the program prints.
	logsVariable = "QUAYMASTER_SHIM_LOGS"

	// How long the program may take to end on SIGTERM.
	grace = 5 * time.Second
	// How long an apiserver that is stopped waits for those that watch. By itself it takes a minute, in nearly every test,
	// since the tests stop it before their controllers.
	shutdown = time.Second
	// The exit code of a test program whose controllers could not run.
	failed = 70
)

var (
	// By host and port, the settings of a client that may do everything, for each apiserver.
	clients sync.Map
	// Programs started so far.
	started atomic.Int32
)

// Starting tells of an apiserver that is about to run.
func Starting(apiserver *server.GenericAPIServer) {
	apiserver.ShutdownTimeout = shutdown
	config := apiserver.LoopbackClientConfig
	address, err := url.Parse(config.Host)
	if err != nil {
		fail("%s is no address of a server: %v", config.Host, err)
	}
	clients.Store(address.Host, rest.CopyConfig(config))
}

// Run runs the controllers of this name, as kube-controller-manager's --controllers has it, with these flags, for the
// apiserver of this client until the context ends. A program that ends before fails the tests at once: they would wait
// for it until their time is up.
func Run(ctx context.Context, name string, client kubernetes.Interface, flags ...string) {
	program, isSet := os.LookupEnv(programVariable)
	if !isSet {
		fail("%s is not set", programVariable)
	}
	if program == "" {
		<-ctx.Done()
		return
	}
	var arguments []string
	if err := json.Unmarshal([]byte(os.Getenv(argumentsVariable)), &arguments); err != nil {
		fail("%s: %v", argumentsVariable, err)
	}
	label := fmt.Sprintf("%s-%02d", name, started.Add(1))
	kubeconfig := filepath.Join(os.TempDir(), label+".kubeconfig")
	writeKubeconfig(client, kubeconfig)
	log, err := os.Create(filepath.Join(os.Getenv(logsVariable), label+".log"))
	if err != nil {
		fail("%v", err)
	}
	defer log.Close()

	arguments = append(arguments, "--kubeconfig="+kubeconfig, "--controllers="+name)
	command := exec.CommandContext(ctx, program, append(arguments, flags...)...)
	command.Stdout, command.Stderr = log, log
	command.Cancel = func() error { return command.Process.Signal(syscall.SIGTERM) }
	command.WaitDelay = grace
	// Sent when the thread ends that started the program: it stays with this goroutine, which waits for the program.
	command.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	err = command.Run()
	if ctx.Err() == nil {
		fail("%s for %s ended by itself (%v): %s", filepath.Base(program), name, err, lastLine(log.Name()))
	}
}

// writeKubeconfig writes how the apiserver of this client is reached.
func writeKubeconfig(client kubernetes.Interface, path string) {
	host := client.CoreV1().RESTClient().Get().URL().Host
	stored, isKnown := clients.Load(host)
	if !isKnown {
		fail("no test server has told of %s", host)
	}
	config := stored.(*rest.Config)
	const only = "test"
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.CurrentContext = only
	kubeconfig.Contexts[only] = &clientcmdapi.Context{Cluster: only, AuthInfo: only}
	kubeconfig.Clusters[only] = &clientcmdapi.Cluster{
		Server:                   "https://" + host,
		TLSServerName:            config.ServerName,
		CertificateAuthorityData: config.CAData,
	}
	kubeconfig.AuthInfos[only] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	if err := clientcmd.WriteToFile(*kubeconfig, path); err != nil {
		fail("%v", err)
	}
}

// lastLine gives the last line of a file that has anything on it.
func lastLine(path string) string {
	text, err := os.ReadFile(path)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// fail ends the test program. A panic would be caught by what starts controllers.
func fail(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, "quaymaster shim: "+format+"\n", arguments...)
	os.Exit(failed)
}
