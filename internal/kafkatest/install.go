package kafkatest

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"time"

	"github.com/hooksaga/hooksaga/internal/testenv/daemon"
)

// Version is the Apache Kafka that tests run on.
const Version = "4.1.1"

// CacheVariable names the environment variable that says where the downloaded Kafka is kept; unset, in the user's
// cache directory.
const CacheVariable = "HOOKSAGA_KAFKA_DIR"

// Each of these says what is missing on this machine.
var (
	ErrNoJava  = errors.New("no java on PATH (Kafka needs 17 or later)")
	ErrNoMaven = errors.New("no mvn on PATH, and Kafka has not been downloaded yet")
)

const downloadTimeout = 5 * time.Minute

// pom asks Maven for the broker with everything it needs to run, and to say why it does not.
const pom = `<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>hooksaga</groupId>
  <artifactId>kafka</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
    <dependency>
      <groupId>org.apache.kafka</groupId>
      <artifactId>kafka_2.13</artifactId>
      <version>` + Version + `</version>
    </dependency>
    <dependency>
      <groupId>org.apache.logging.log4j</groupId>
      <artifactId>log4j-slf4j-impl</artifactId>
      <version>2.24.3</version>
    </dependency>
  </dependencies>
</project>
`

// Installed reports what is missing to run Kafka here: ErrNoJava, ErrNoMaven, both or nothing. Maven is needed once.
func Installed() error {
	var missing []error
	if _, err := exec.LookPath("java"); err != nil {
		missing = append(missing, ErrNoJava)
	}
	dir, err := cacheDir()
	if err != nil {
		return err
	}
	if _, err := os.Stat(dir); err == nil {
		return errors.Join(missing...)
	}
	if _, err := exec.LookPath("mvn"); err != nil {
		missing = append(missing, ErrNoMaven)
	}
	return errors.Join(missing...)
}

// Download returns the directory that holds Kafka's jars, fetching them the first time. Several processes may ask at
// once: each fetches under a name of its own, and a directory that has the final name is complete.
func Download(ctx context.Context) (string, error) {
	if err := Installed(); err != nil {
		return "", err
	}
	final, err := cacheDir()
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(final); err == nil {
		return final, nil
	}
	if err := os.MkdirAll(filepath.Dir(final), 0o755); err != nil {
		return "", fmt.Errorf("cache of Kafka: %w", err)
	}
	partial, err := os.MkdirTemp(filepath.Dir(final), filepath.Base(final)+".partial-")
	if err != nil {
		return "", fmt.Errorf("cache of Kafka: %w", err)
	}
	defer os.RemoveAll(partial)
	libs := filepath.Join(partial, "libs")
	if err := maven(ctx, libs); err != nil {
		return "", fmt.Errorf("download Kafka %s with mvn: %w", Version, err)
	}
	if err := os.Rename(libs, final); err != nil && !errors.Is(err, fs.ErrExist) && !errors.Is(err, syscall.ENOTEMPTY) {
		return "", fmt.Errorf("cache of Kafka: %w", err)
	}
	return final, nil
}

func cacheDir() (string, error) {
	if dir := os.Getenv(CacheVariable); dir != "" {
		return dir, nil
	}
	cache, err := os.UserCacheDir()
	if err != nil {
		return "", fmt.Errorf("no place to keep Kafka: set %s: %w", CacheVariable, err)
	}
	wanted := sha256.Sum256([]byte(pom)) // other jars lie elsewhere
	return filepath.Join(cache, "hooksaga", fmt.Sprintf("kafka-%s-%x", Version, wanted[:4])), nil
}

// maven copies the jars into libs.
func maven(ctx context.Context, libs string) error {
	ctx, cancel := context.WithTimeout(ctx, downloadTimeout)
	defer cancel()
	work, err := os.MkdirTemp("", "kafka-pom")
	if err != nil {
		return err
	}
	defer os.RemoveAll(work)
	if err := os.WriteFile(filepath.Join(work, "pom.xml"), []byte(pom), 0o644); err != nil {
		return err
	}
	mvn, err := exec.LookPath("mvn")
	if err != nil {
		return ErrNoMaven
	}
	return daemon.Run(ctx, daemon.Spec{
		Path: mvn,
		Args: []string{"--batch-mode", "--no-transfer-progress", "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies",
			"-DincludeScope=runtime", "-DoutputDirectory=" + libs},
		Dir:      work,
		Log:      filepath.Join(work, "mvn.log"),
		Orphaned: syscall.SIGKILL,
	})
}
