{{/*
Refuses values that cannot work together: every fault at once, each with what to write instead. What a schema can say of one
value alone is in values.schema.json.
*/}}
{{- define "portolan.refuse" -}}
{{- $plan := include "portolan.plan" . | fromJson -}}
{{- $at := dict "values" .Values "plan" $plan "root" . -}}
{{- $faults := $plan.idFaults -}}
{{- range list "kafka" "advertised" "ports" "sni" "tls" "upstream" "proxy" "service" "lifetime" "pods" "policy" "config" "names" -}}
{{- $faults = concat $faults (include (printf "portolan.refuse.%s" .) $at | fromJsonArray) -}}
{{- end -}}
{{- if $faults -}}
{{- fail (printf "\n\n%d of the values cannot be used:\n\n  %s\n" (len $faults) (join "\n  " $faults)) -}}
{{- end -}}
{{- end }}

{{- define "portolan.refuse.kafka" -}}
{{- $faults := list -}}
{{- if not .plan.servers -}}
{{- $faults = append $faults "kafka.bootstrapServers is empty; write where Kafka is found inside the cluster, such as: kafka.bootstrapServers=kafka.kafka.svc:9092" -}}
{{- end -}}
{{- range .plan.servers -}}
{{- if not (regexMatch "^([^:/\\s]+|\\[[0-9a-fA-F:.]+\\]):[0-9]+$" .) -}}
{{- $faults = append $faults (printf "kafka.bootstrapServers: %q is not host:port; write one such as kafka.kafka.svc:9092" .) -}}
{{- end -}}
{{- end -}}
{{- if and .values.brokers.address (gt (len .plan.ids) 1) (not (regexMatch "[{](node_id|ordinal)[}]" .values.brokers.address)) -}}
{{- $faults = append $faults (printf "brokers.address: all %d brokers would have the same; write {node_id} or {ordinal} where they differ, such as kafka-{node_id}.kafka-headless.kafka.svc:9092" (len .plan.ids)) -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.advertised" -}}
{{- $faults := list -}}
{{- $advertised := .values.advertised -}}
{{- $host := $advertised.host -}}
{{- $isDialled := and $advertised.dialled (or .plan.isTls (ne .values.proxyProtocol.mode "off")) -}}
{{- if and $host (or (regexMatch "[/\\s*]" $host) (regexMatch "^[^:]*:[0-9]*$" $host) (hasPrefix "[" $host)) -}}
{{- $faults = append $faults (printf "advertised.host: %q is no name or address; write it without scheme, port or brackets, such as kafka.example.com" $host) -}}
{{- else if has $host (list "0.0.0.0" "::") -}}
{{- $faults = append $faults (printf "advertised.host: clients cannot connect to %s; write the name or address of the LoadBalancer" $host) -}}
{{- end -}}
{{- if not .plan.hasPorts -}}
{{- if or $advertised.fromService $advertised.dialled -}}
{{- $faults = append $faults "advertised.fromService and advertised.dialled have no effect with sni.mode \"only\", where clients are told names; take them out, or write sni.mode: beside" -}}
{{- end -}}
{{- else if and $host $advertised.fromService -}}
{{- $faults = append $faults "advertised.host and advertised.fromService are both set; take one out: the name that you give it, or the address that the LoadBalancer gets" -}}
{{- else if and $advertised.fromService $advertised.dialled -}}
{{- $faults = append $faults "advertised.fromService and advertised.dialled are both set; take one out" -}}
{{- else if and (not $host) (not $advertised.fromService) (not $isDialled) -}}
{{- $faults = append $faults "advertised.host is empty; write the name that clients reach the LoadBalancer by, such as: advertised.host=kafka.example.com; or set advertised.fromService=true to take the address that it gets" -}}
{{- end -}}
{{- if and $advertised.fromService (ne .values.service.type "LoadBalancer") -}}
{{- $faults = append $faults (printf "advertised.fromService: a Service of type %s gets no address from a load balancer; write service.type: LoadBalancer, or advertised.host" .values.service.type) -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.ports" -}}
{{- $faults := list -}}
{{- $ports := .values.ports -}}
{{- $count := $ports.brokers.count -}}
{{- $has := len .plan.ids -}}
{{- $first := int $ports.brokers.first -}}
{{- $last := int .plan.lastPort -}}
{{- if and $count (not (kindIs "invalid" .values.brokers.ids)) (not .plan.idFaults) (ne (int $count) $has) -}}
{{- $faults = append $faults (printf "ports.brokers.count is %d, but brokers.ids %q are %d; write ports.brokers.count: %d, or leave one of the two out" (int $count) .plan.idsText $has $has) -}}
{{- end -}}
{{- $single := dict "ports.admin" (int $ports.admin) -}}
{{- if .plan.hasPorts -}}
{{- $_ := set $single "ports.bootstrap" (int $ports.bootstrap) -}}
{{- if gt $last 65535 -}}
{{- $faults = append $faults (printf "ports.brokers: %d ports from %d on run past 65535; write a lower ports.brokers.first, or fewer ids" $has $first) -}}
{{- end -}}
{{- end -}}
{{- if .plan.hasSni -}}
{{- $_ := set $single "sni.port" (int .values.sni.port) -}}
{{- end -}}
{{- range $name, $port := $single -}}
{{- if and $.plan.hasPorts (ge $port $first) (le $port $last) -}}
{{- $faults = append $faults (printf "%s: %d lies inside the brokers' ports %d-%d; write one outside of them, or move them by ports.brokers.first" $name $port $first $last) -}}
{{- end -}}
{{- range $other, $same := $single -}}
{{- if and (eq $port $same) (lt $name $other) -}}
{{- $faults = append $faults (printf "%s and %s are both %d; write another port for one of them" $name $other $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .values.sni.advertisedPort -}}
{{- $port := int . -}}
{{- if and $.plan.hasSni $.plan.hasPorts (or (eq $port (int $ports.bootstrap)) (and (ge $port $first) (le $port $last))) -}}
{{- $faults = append $faults (printf "sni.advertisedPort: the Service has port %d already; write another, such as 443" $port) -}}
{{- end -}}
{{- end -}}
{{- $all := len .plan.ports -}}
{{- if and (eq .values.profile "aws-nlb") (gt $all 50) -}}
{{- $faults = append $faults (printf "brokers.ids: with %d ids the Service has %d ports, and an NLB has at most 50 listeners; write at most %d ids, or sni.mode: only, which needs one port for any number of brokers" $has $all (sub 50 (sub $all $has))) -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.sni" -}}
{{- $faults := list -}}
{{- $sni := .values.sni -}}
{{- if .plan.hasSni -}}
{{- if not .plan.isTls -}}
{{- $faults = append $faults (printf "sni.mode is %s, but clients have no TLS, by which they say the name; set tls.client.existingSecret or tls.client.certManager.enabled" $sni.mode) -}}
{{- end -}}
{{- if not .plan.bootstrapHost -}}
{{- $faults = append $faults "sni.bootstrapHost is empty, and advertised.host too; write the name that clients bootstrap from, such as: sni.bootstrapHost=kafka.example.com" -}}
{{- else if include "portolan.isAddress" .plan.bootstrapHost -}}
{{- $faults = append $faults (printf "sni.bootstrapHost: %s is an address, which clients do not send as a server name; write a name such as kafka.example.com" .plan.bootstrapHost) -}}
{{- end -}}
{{- if not (regexMatch "[{](node_id|ordinal)[}]" .plan.nodeHost) -}}
{{- $faults = append $faults (printf "sni.nodeHost: %q is the same for all brokers; write one such as broker-{node_id}.kafka.example.com" .plan.nodeHost) -}}
{{- end -}}
{{- else if or $sni.bootstrapHost $sni.nodeHost $sni.advertisedPort -}}
{{- $faults = append $faults "sni.bootstrapHost, sni.nodeHost and sni.advertisedPort have no effect with sni.mode \"off\"; write sni.mode: only, or beside" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}
