# The graceful end of an Envoy: its readiness says no, clients are told to go elsewhere, then it waits for $1 seconds.
for path in /healthcheck/fail '/drain_listeners?graceful'; do
  exec 3<>/dev/tcp/127.0.0.1/9901
  printf 'POST %s HTTP/1.1\r\nhost: admin\r\ncontent-length: 0\r\nconnection: close\r\n\r\n' "$path" >&3
  cat <&3
done
sleep "$1"
