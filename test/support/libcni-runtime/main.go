// A runtime's part in CNI, played as CRI-O plays it over libcni: what it asks of a plugin, when, and in which order.
//
// libcni-runtime CONF_DIR CACHE_DIR CNI_PATH
//
// Takes the first configuration file of CONF_DIR when it starts, as it is then. Reads one JSON object a line from stdin, and answers each with one line:
//
//	{"do":"start","sandboxes":[SANDBOX…]}  VERSION, STATUS until it succeeds, GC once, CHECK of every sandbox that is restored
//	{"do":"run","sandbox":SANDBOX}         ADD, and CHECK at once; what CHECK says counts as if ADD had said it
//	{"do":"stop","sandbox":SANDBOX}        one DEL; with what libcni's cache has of the sandbox where the configuration file is gone
//
// SANDBOX: {"id","netns","ifName","namespace","name","uid","annotations"}. An answer: {"calls":[{"command","stdin"}…],"result","errors":[text…]}: the plugin's calls
// in order, the result of ADD, and what failed. While STATUS fails it says "not ready: " and why on stderr.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/containernetworking/cni/libcni"
	"github.com/containernetworking/cni/pkg/invoke"
	"github.com/containernetworking/cni/pkg/types"
	"github.com/containernetworking/cni/pkg/version"
)

const (
	// How often STATUS is asked until it succeeds, and for how long.
	statusInterval = 100 * time.Millisecond
	statusPatience = 2 * time.Minute
	// The only capability that the runtime has.
	podAnnotations = "io.kubernetes.cri.pod-annotations"
)

type sandbox struct {
	ID          string            `json:"id"`
	Netns       string            `json:"netns"`
	IfName      string            `json:"ifName"`
	Namespace   string            `json:"namespace"`
	Name        string            `json:"name"`
	UID         string            `json:"uid"`
	Annotations map[string]string `json:"annotations"`
}

func (s sandbox) runtimeConf() *libcni.RuntimeConf {
	return &libcni.RuntimeConf{
		ContainerID: s.ID,
		NetNS:       s.Netns,
		IfName:      s.IfName,
		Args: [][2]string{
			{"IgnoreUnknown", "1"},
			{"K8S_POD_NAMESPACE", s.Namespace},
			{"K8S_POD_NAME", s.Name},
			{"K8S_POD_INFRA_CONTAINER_ID", s.ID},
			{"K8S_POD_UID", s.UID},
		},
		CapabilityArgs: map[string]interface{}{podAnnotations: s.Annotations},
	}
}

type call struct {
	Command string          `json:"command"`
	Stdin   json.RawMessage `json:"stdin,omitempty"`
}

// recorder runs plugins as libcni does, and notes what they are asked.
type recorder struct {
	invoke.DefaultExec
	calls []call
}

func (r *recorder) ExecPlugin(ctx context.Context, path string, stdin []byte, environ []string) ([]byte, error) {
	for _, variable := range environ {
		if command, is := strings.CutPrefix(variable, "CNI_COMMAND="); is {
			r.calls = append(r.calls, call{Command: command, Stdin: json.RawMessage(stdin)})
		}
	}
	return r.DefaultExec.ExecPlugin(ctx, path, stdin, environ)
}

type runtime struct {
	confDir string
	network *libcni.NetworkConfigList
	exec    *recorder
	cni     *libcni.CNIConfig
}

type answer struct {
	Calls  []call       `json:"calls"`
	Result types.Result `json:"result,omitempty"`
	Errors []string     `json:"errors"`
}

func (a *answer) note(command string, err error) {
	if err != nil {
		a.Errors = append(a.Errors, fmt.Sprintf("%s: %v", command, err))
	}
}

func loadFirst(confDir string) (*libcni.NetworkConfigList, error) {
	files, err := libcni.ConfFiles(confDir, []string{".conf", ".conflist", ".json"})
	if err != nil {
		return nil, err
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("no configuration in %s", confDir)
	}
	// Sorted by name: ConfFiles lists the directory.
	if filepath.Ext(files[0]) == ".conflist" {
		return libcni.ConfListFromFile(files[0])
	}
	single, err := libcni.ConfFromFile(files[0])
	if err != nil {
		return nil, err
	}
	return libcni.ConfListFromConf(single)
}

// ready asks for STATUS until it succeeds. Output meanwhile is no error, and goes to stderr.
func (r *runtime) ready(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, statusPatience)
	defer cancel()
	for {
		err := r.cni.GetStatusNetworkList(ctx, r.network)
		if err == nil {
			return nil
		}
		fmt.Fprintln(os.Stderr, "not ready:", err)
		select {
		case <-ctx.Done():
			return err
		case <-time.After(statusInterval):
		}
	}
}

func (r *runtime) start(ctx context.Context, sandboxes []sandbox) (a answer) {
	_, err := r.cni.ValidateNetworkList(ctx, r.network)
	a.note("VERSION", err)
	a.note("STATUS", r.ready(ctx))
	// Without sandboxes it stays nil, which libcni sends as null.
	var valid []types.GCAttachment
	for _, s := range sandboxes {
		valid = append(valid, types.GCAttachment{ContainerID: s.ID, IfName: s.IfName})
	}
	a.note("GC", r.cni.GCNetworkList(ctx, r.network, &libcni.GCArgs{ValidAttachments: valid}))
	for _, s := range sandboxes {
		a.note("CHECK", r.check(ctx, s))
	}
	return a
}

// check does nothing where the network has no CHECK: libcni says an error then.
func (r *runtime) check(ctx context.Context, s sandbox) error {
	if has, err := version.GreaterThanOrEqualTo(r.network.CNIVersion, "0.4.0"); err != nil || !has {
		return err
	}
	return r.cni.CheckNetworkList(ctx, r.network, s.runtimeConf())
}

func (r *runtime) run(ctx context.Context, s sandbox) (a answer) {
	result, err := r.cni.AddNetworkList(ctx, r.network, s.runtimeConf())
	a.note("ADD", err)
	if err != nil {
		return a
	}
	a.Result = result
	a.note("CHECK", r.check(ctx, s))
	return a
}

// stop goes by the cache where the configuration is no longer there.
func (r *runtime) stop(ctx context.Context, s sandbox) (a answer) {
	network, conf := r.network, s.runtimeConf()
	if current, err := loadFirst(r.confDir); err != nil || current.Name != network.Name {
		config, cached, err := r.cni.GetNetworkListCachedConfig(network, conf)
		if err == nil && config == nil {
			err = errors.New("nothing is cached")
		}
		if err != nil {
			a.note("cache", err)
			return a
		}
		if network, err = libcni.ConfListFromBytes(config); err != nil {
			a.note("cache", err)
			return a
		}
		conf = cached
	}
	a.note("DEL", r.cni.DelNetworkList(ctx, network, conf))
	return a
}

type request struct {
	Do        string    `json:"do"`
	Sandbox   sandbox   `json:"sandbox"`
	Sandboxes []sandbox `json:"sandboxes"`
}

func (r *runtime) serve(ctx context.Context, line []byte) (a answer, err error) {
	var asked request
	if err := json.Unmarshal(line, &asked); err != nil {
		return a, err
	}
	r.exec.calls = []call{}
	switch asked.Do {
	case "start":
		a = r.start(ctx, asked.Sandboxes)
	case "run":
		a = r.run(ctx, asked.Sandbox)
	case "stop":
		a = r.stop(ctx, asked.Sandbox)
	default:
		return a, fmt.Errorf("cannot do %q", asked.Do)
	}
	a.Calls = r.exec.calls
	if a.Errors == nil {
		a.Errors = []string{}
	}
	return a, nil
}

func serveAll(confDir, cacheDir string, path []string) error {
	network, err := loadFirst(confDir)
	if err != nil {
		return err
	}
	exec := &recorder{DefaultExec: invoke.DefaultExec{RawExec: &invoke.RawExec{Stderr: os.Stderr}}}
	r := &runtime{confDir, network, exec, libcni.NewCNIConfigWithCacheDir(path, cacheDir, exec)}
	answers := json.NewEncoder(os.Stdout)
	lines := bufio.NewScanner(os.Stdin)
	for lines.Scan() {
		a, err := r.serve(context.Background(), lines.Bytes())
		if err != nil {
			return err
		}
		if err := answers.Encode(a); err != nil {
			return err
		}
	}
	return lines.Err()
}

func main() {
	if len(os.Args) != 4 {
		fmt.Fprintln(os.Stderr, "usage: libcni-runtime CONF_DIR CACHE_DIR CNI_PATH")
		os.Exit(2)
	}
	if err := serveAll(os.Args[1], os.Args[2], filepath.SplitList(os.Args[3])); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
