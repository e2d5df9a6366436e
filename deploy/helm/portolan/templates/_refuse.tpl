{{/*
Refuses values that cannot work together: every fault at once, each with what to write instead. What a schema can say of one
value alone is in values.schema.json.
*/}}
{{- define "portolan.refuse" -}}
{{- $plan := include "portolan.plan" . | fromJson -}}
{{- $at := dict "values" .Values "plan" $plan "root" . -}}
{{- $faults := $plan.idFaults -}}
{{- range list "kafka" "advertised" "ranges" "addresses" "ports" "nodePorts" "listeners" "sni" "tls" "upstream" "proxy" "service" "lifetime" "pods" "policy" "config" "names" -}}
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
{{- if and (contains "{ordinal}" .plan.nodeHost) (gt (len .plan.ranges) 1) (not (contains "{node_id}" .plan.nodeHost)) -}}
{{- $faults = append $faults (printf "sni.nodeHost: {ordinal} begins at 0 in each of brokers.ranges, so that %q would name several brokers; write {node_id}" .plan.nodeHost) -}}
{{- end -}}
{{- else if or $sni.bootstrapHost $sni.nodeHost $sni.advertisedPort -}}
{{- $faults = append $faults "sni.bootstrapHost, sni.nodeHost and sni.advertisedPort have no effect with sni.mode \"off\"; write sni.mode: only, or beside" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}
