# syntax=docker/dockerfile:1

FROM golang:1.26.8 AS build
WORKDIR /src
COPY go.mod go.sum ./
RUN go mod download
COPY . .
# deploy/compose_test.go runs this very line and looks at what it makes.
RUN CGO_ENABLED=0 go build -trimpath -ldflags='-s -w' -o /out/hooksaga ./cmd/hooksaga
# The final image has no shell to make directories with.
RUN mkdir -p /out/data /out/tmp && chmod 1777 /out/tmp

# Nothing but the binary and the certificates that calls to Stripe are checked against.
FROM scratch
COPY --from=build /etc/ssl/certs/ca-certificates.crt /etc/ssl/certs/ca-certificates.crt
COPY --from=build --chown=65532:65532 /out/data /data
COPY --from=build /out/tmp /tmp
COPY --from=build /out/hooksaga /hooksaga
USER 65532:65532
WORKDIR /data
EXPOSE 8080 8081
# There is no curl either: the binary asks the /healthz of HOOKSAGA_LISTEN itself, and exits 0 or 1.
HEALTHCHECK --interval=5s --timeout=3s --start-period=10s --retries=6 CMD ["/hooksaga", "health"]
ENTRYPOINT ["/hooksaga"]
CMD ["serve"]
