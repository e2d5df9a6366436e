{{/* Lines of a TOML table out of a map: every scalar and list of JSON is one of TOML, too. */}}
{{- define "portolan.toml" -}}
{{- range $key, $value := . }}
{{ $key }} = {{ toJson $value }}
{{- end }}
{{- end }}

{{/* Portolan's configuration. config/full.toml explains each key. */}}
{{- define "portolan.config" -}}
{{- $values := .Values -}}
{{- $plan := include "portolan.plan" . | fromJson -}}
{{- $cluster := printf "clusters.%s" $values.kafka.clusterName -}}
[{{ $cluster }}]
bootstrap_servers = {{ toJson $plan.servers }}
{{- if $values.advertised.fromService }}
advertised_from_service = {{ printf "%s/%s" .Release.Namespace (include "portolan.fullname" .) | toJson }}
{{- else if and $plan.hasPorts $values.advertised.host }}
advertised_host = {{ toJson $values.advertised.host }}
{{- end }}
{{- if $values.advertised.dialled }}
advertise = "dialled"
{{- end }}
listen_address = {{ toJson $values.listenAddress }}
{{- if $plan.hasPorts }}
bootstrap_port = {{ $values.ports.bootstrap }}
{{- end }}
{{- if ne $values.proxyProtocol.mode "off" }}
proxy_protocol = {{ toJson $values.proxyProtocol.mode }}
proxy_protocol_from = {{ toJson $values.proxyProtocol.trustedNetworks }}
{{- end }}
{{- include "portolan.toml" $values.config.cluster }}
{{- range $plan.ranges }}

[[{{ $cluster }}.nodes]]
ids = {{ toJson .idsText }}
{{- if $plan.hasPorts }}
port = {{ .first }}
{{- end }}
{{- with .address }}
address = {{ toJson . }}
{{- end }}
{{- end }}
{{- if $plan.hasSni }}

[{{ $cluster }}.sni]
port = {{ $values.sni.port }}
{{- with $values.sni.advertisedPort }}
advertised_port = {{ . }}
{{- end }}
bootstrap_host = {{ toJson $plan.bootstrapHost }}
node_host = {{ toJson $plan.nodeHost }}
{{- end }}
{{- with $values.tls.client }}
{{- if $plan.isTls }}

[{{ $cluster }}.tls]
certificate = "/etc/portolan/tls/tls.crt"
key = "/etc/portolan/tls/tls.key"
min_version = {{ toJson .minVersion }}
{{- if .clientCa.secret }}
client_ca = {{ printf "/etc/portolan/client-ca/%s" .clientCa.key | toJson }}
client_auth = {{ default "required" .clientAuth | toJson }}
{{- with .clientCa.crlKey }}
crl = {{ printf "/etc/portolan/client-ca/%s" . | toJson }}
{{- end }}
{{- end }}
{{- if .ticketKeysSecret }}
ticket_keys = "/etc/portolan/ticket-keys/ticket.keys"
{{- end }}
{{- end }}
{{- end }}
{{- with $values.tls.upstream }}
{{- if .enabled }}

[{{ $cluster }}.upstream_tls]
{{- if .caSecret }}
ca = {{ printf "/etc/portolan/upstream-ca/%s" .caKey | toJson }}
{{- end }}
{{- if .clientSecret }}
certificate = "/etc/portolan/upstream-tls/tls.crt"
key = "/etc/portolan/upstream-tls/tls.key"
{{- end }}
{{- with .serverName }}
server_name = {{ toJson . }}
{{- end }}
{{- end }}
{{- end }}

[admin]
listen = {{ printf (ternary "[%s]:%v" "%s:%v" (contains ":" $values.listenAddress)) $values.listenAddress $values.ports.admin | toJson }}
{{- include "portolan.toml" $values.config.admin }}

[drain]
lame_duck = {{ toJson $plan.lameDuck }}
grace = {{ toJson $plan.grace }}

[log]
level = {{ toJson $values.log.level }}
format = {{ toJson $values.log.format }}
{{- range $table := list "limits" "timeouts" "health" "dns" "runtime" }}
{{- with get $values.config $table }}

[{{ $table }}]
{{- include "portolan.toml" . }}
{{- end }}
{{- end }}
{{ end }}
