// Package deploy tests what the project is deployed with: the Compose file and the Dockerfile at the root.
package deploy

import (
	"debug/elf"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/compose-spec/compose-go/v2/loader"
	"github.com/compose-spec/compose-go/v2/types"

	"github.com/hooksaga/hooksaga/internal/config"
)

// root is the module's directory, seen from this one, where go test runs.
const root = ".."

func project(t *testing.T) *types.Project {
	t.Helper()
	p, err := loader.LoadWithContext(t.Context(), types.ConfigDetails{
		WorkingDir:  root,
		ConfigFiles: []types.ConfigFile{{Filename: filepath.Join(root, "docker-compose.yml")}},
		Environment: types.Mapping{},
	}, loader.WithProfiles([]string{"*"}))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func TestComposeHasWhatTheReadmePromises(t *testing.T) {
	t.Parallel()
	p := project(t)
	want := []string{"hooksaga", "kafka", "postgres", "simulator"}
	if got := p.ServiceNames(); !slices.Equal(got, want) {
		t.Errorf("services %v, want %v", got, want)
	}
	if got := p.Services["simulator"].Profiles; !slices.Equal(got, []string{"simulator"}) {
		t.Errorf("the simulator is in profiles %v", got)
	}
	kafka := p.Services["kafka"]
	if kafka.Image != "apache/kafka:4.1.1" || kafka.Environment["KAFKA_PROCESS_ROLES"] == nil {
		t.Errorf("kafka is %s with roles %v, want KRaft", kafka.Image, kafka.Environment["KAFKA_PROCESS_ROLES"])
	}
}

func TestComposePinsItsImages(t *testing.T) {
	t.Parallel()
	for name, service := range project(t).Services {
		if service.Build != nil { // made here, from the Dockerfile
			continue
		}
		if why := unpinned(service.Image); why != "" {
			t.Errorf("%s: image %q: %s", name, service.Image, why)
		}
	}
}

func TestComposeWatchesEveryService(t *testing.T) {
	t.Parallel()
	for name, service := range project(t).Services {
		check := service.HealthCheck
		if check == nil || check.Disable || len(check.Test) < 2 || check.Test[0] == "NONE" {
			t.Errorf("%s has no health check", name)
		}
	}
}

func TestComposeListensToThisMachineAlone(t *testing.T) {
	t.Parallel()
	for name, service := range project(t).Services {
		for _, port := range service.Ports {
			if port.HostIP != "127.0.0.1" {
				t.Errorf("%s publishes %s on %q: its secrets are placeholders", name, port.Published, port.HostIP)
			}
		}
	}
}

func TestComposeSetsOnlyWhatHooksagaReads(t *testing.T) {
	t.Parallel()
	p := project(t)
	set := 0
	for _, name := range []string{"hooksaga", "simulator"} {
		for key := range p.Services[name].Environment {
			set++
			if !config.Known(key) {
				t.Errorf("%s: hooksaga reads no variable %s", name, key)
			}
		}
	}
	if set == 0 {
		t.Error("no variable is set: this test looks in the wrong place")
	}
}

func TestComposeStartsInDevelopmentAndNeverInProduction(t *testing.T) {
	t.Parallel()
	var environ []string
	secrets := map[string]bool{"HOOKSAGA_STORE": true} // its password
	for key, value := range project(t).Services["hooksaga"].Environment {
		environ = append(environ, key+"="+*value)
		for _, k := range config.Describe() {
			if k.Env == key && k.Secret {
				secrets[key] = true
			}
		}
	}
	load := func(environ []string) error {
		_, err := config.Load(config.Input{Environ: environ, ReadFile: func(string) ([]byte, error) { return nil, fs.ErrNotExist }})
		return err
	}
	if err := load(environ); err != nil {
		t.Errorf("in development: %v", err)
	}
	err := load(append(environ, "HOOKSAGA_ENV=production"))
	for key := range secrets {
		if err == nil || !strings.Contains(err.Error(), key) {
			t.Errorf("in production %s was taken for a real secret: %v", key, err)
		}
	}
}

func TestDockerfilePinsItsImages(t *testing.T) {
	t.Parallel()
	from := regexp.MustCompile(`(?m)^FROM (\S+)`).FindAllStringSubmatch(dockerfile(t), -1)
	if len(from) < 2 {
		t.Fatalf("%d stages, want several", len(from))
	}
	for _, stage := range from {
		if why := unpinned(stage[1]); why != "" && stage[1] != "scratch" {
			t.Errorf("FROM %s: %s", stage[1], why)
		}
	}
	if !regexp.MustCompile(`(?m)^USER [1-9]`).MatchString(dockerfile(t)) {
		t.Error("the image runs as root, or as a user that Kubernetes cannot tell from root by its name")
	}
}

func TestDockerfileUsesTheGoOfTheModule(t *testing.T) {
	t.Parallel()
	mod, err := os.ReadFile(filepath.Join(root, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	version := regexp.MustCompile(`(?m)^go (\S+)$`).FindSubmatch(mod)
	if version == nil || !strings.Contains(dockerfile(t), "FROM golang:"+string(version[1])+" ") {
		t.Errorf("go.mod says go %s, the Dockerfile builds with another", version)
	}
}

// The image has no loader and no libc: a binary that asks for one does not start in it.
func TestDockerfileBuildsAStaticBinary(t *testing.T) {
	t.Parallel()
	build := regexp.MustCompile(`(?m)^RUN (.*go build .*)$`).FindStringSubmatch(dockerfile(t))
	if build == nil {
		t.Fatal("no line RUN … go build … in the Dockerfile")
	}
	binary := filepath.Join(t.TempDir(), "hooksaga")
	command := strings.Replace(build[1], "/out/hooksaga", binary, 1)
	if command == build[1] {
		t.Fatalf("%q does not write /out/hooksaga", command)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", command)
	cmd.Dir = root
	cmd.Env = append(os.Environ(), "GOOS=linux")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", command, err, out)
	}
	file, err := elf.Open(binary)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP || segment.Type == elf.PT_DYNAMIC {
			t.Errorf("the binary is linked dynamically: it has a segment %s", segment.Type)
		}
	}
	if runtime.GOOS == "linux" {
		understands(t, binary)
	}
}

// understands asks the binary about the commands that containers run it with: an unknown one, or an unknown flag, is an
// error even before --help.
func understands(t *testing.T, binary string) {
	t.Helper()
	commands := [][]string{{"serve"}}
	for _, service := range project(t).Services {
		if service.Build == nil {
			continue
		}
		commands = append(commands, service.HealthCheck.Test[2:])
		if service.Command != nil {
			commands = append(commands, service.Command)
		}
	}
	for _, command := range commands {
		args := append(slices.Clone(command), "--help")
		if out, err := exec.CommandContext(t.Context(), binary, args...).CombinedOutput(); err != nil {
			t.Errorf("hooksaga %s: %v\n%s", strings.Join(args, " "), err, out)
		}
	}
}

func dockerfile(t *testing.T) string {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(root, "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// unpinned says why an image may be another one tomorrow, or is "".
func unpinned(image string) string {
	if strings.Contains(image, "@sha256:") {
		return ""
	}
	name := image[strings.LastIndexByte(image, '/')+1:]
	_, tag, ok := strings.Cut(name, ":")
	switch {
	case !ok:
		return "no tag"
	case !regexp.MustCompile(`^\d+\.\d+`).MatchString(tag):
		return "tag " + tag + " is no version of at least two numbers"
	}
	return ""
}
