{{/*
All that the chart works out from the values, as JSON, in one place: config, Service, Deployment and NOTES take it from here,
so that they agree.
*/}}
{{- define "portolan.plan" -}}
{{- $values := .Values -}}
{{- $profile := include "portolan.profile" . | fromJson -}}
{{- $plan := dict "profile" $profile -}}

{{- $servers := $values.kafka.bootstrapServers -}}
{{- if kindIs "string" $servers -}}
{{- $servers = splitList "," $servers -}}
{{- end -}}
{{- $trimmed := list -}}
{{- range $servers -}}
{{- with trim . -}}{{- $trimmed = append $trimmed . -}}{{- end -}}
{{- end -}}
{{- $_ := set $plan "servers" $trimmed -}}

{{- $count := $values.ports.brokers.count -}}
{{- $text := $values.brokers.ids -}}
{{- if kindIs "invalid" $text -}}
{{- $text = printf "0-%d" (sub (default 16 $count | int) 1) -}}
{{- else if not (kindIs "string" $text) -}}
{{- $text = printf "%d" (int64 $text) -}}
{{- end -}}
{{- $found := include "portolan.ids" $text | fromJson -}}
{{- $_ := set $plan "idsText" $text -}}
{{- $_ := set $plan "ids" $found.ids -}}
{{- $_ := set $plan "idFaults" $found.faults -}}

{{- $isTls := ne (include "portolan.tlsSecret" .) "" -}}
{{- $hasPorts := ne $values.sni.mode "only" -}}
{{- $hasSni := ne $values.sni.mode "off" -}}
{{- $bootstrapHost := default $values.advertised.host $values.sni.bootstrapHost -}}
{{- $_ := set $plan "isTls" $isTls -}}
{{- $clientAuth := default (ternary "required" "none" (ne $values.tls.client.clientCa.secret "")) $values.tls.client.clientAuth -}}
{{- $_ := set $plan "areClientsCertified" (and $isTls (eq $clientAuth "required")) -}}
{{- $_ := set $plan "hasPorts" $hasPorts -}}
{{- $_ := set $plan "hasSni" $hasSni -}}
{{- $_ := set $plan "bootstrapHost" $bootstrapHost -}}
{{- $_ := set $plan "nodeHost" (default (printf "broker-{node_id}.%s" $bootstrapHost) $values.sni.nodeHost) -}}

{{- $ports := list -}}
{{- if $hasPorts -}}
{{- $ports = append $ports (dict "name" "bootstrap" "port" $values.ports.bootstrap "target" $values.ports.bootstrap) -}}
{{- range $n, $id := $found.ids -}}
{{- $port := add $values.ports.brokers.first $n -}}
{{- $ports = append $ports (dict "name" (printf "node-%d" (int64 $id)) "port" $port "target" $port) -}}
{{- end -}}
{{- end -}}
{{- if $hasSni -}}
{{- $port := default $values.sni.port $values.sni.advertisedPort -}}
{{- $ports = append $ports (dict "name" "sni" "port" $port "target" $values.sni.port) -}}
{{- $_ := set $plan "sniPort" $port -}}
{{- end -}}
{{- $_ := set $plan "ports" $ports -}}
{{- $_ := set $plan "lastPort" (sub (add $values.ports.brokers.first (len $found.ids)) 1) -}}

{{- $names := list -}}
{{- if and $hasPorts $values.advertised.host (not (include "portolan.isAddress" $values.advertised.host)) -}}
{{- $names = append $names $values.advertised.host -}}
{{- end -}}
{{- if and $hasSni $bootstrapHost -}}
{{- $nodeNames := include "portolan.nodeNames" (dict "nodeHost" $plan.nodeHost "ids" $found.ids) | fromJsonArray -}}
{{- $names = concat $names (list $bootstrapHost) $nodeNames | uniq -}}
{{- end -}}
{{- $_ := set $plan "names" $names -}}

{{- $lameDuck := default $profile.lameDuck $values.drain.lameDuck -}}
{{- $grace := default $profile.grace $values.drain.grace -}}
{{- $needed := add (include "portolan.seconds" $lameDuck | int64) (include "portolan.seconds" $grace | int64) 15 -}}
{{- $_ := set $plan "lameDuck" $lameDuck -}}
{{- $_ := set $plan "grace" $grace -}}
{{- $_ := set $plan "neededSeconds" $needed -}}
{{- $_ := set $plan "terminationSeconds" (default $needed $values.drain.terminationGracePeriodSeconds) -}}

{{- $fewest := ternary $values.hpa.minReplicas $values.replicas $values.hpa.enabled -}}
{{- $_ := set $plan "fewestPods" $fewest -}}
{{- $_ := set $plan "mostPods" (ternary $values.hpa.maxReplicas $values.replicas $values.hpa.enabled) -}}

{{- $service := printf "%s.%s.svc" (include "portolan.fullname" .) .Release.Namespace -}}
{{- $host := ternary $values.advertised.host $bootstrapHost $hasPorts -}}
{{- $port := ternary $values.ports.bootstrap (default $values.sni.port $values.sni.advertisedPort) $hasPorts -}}
{{- $_ := set $plan "hostIsKnown" (ne $host "") -}}
{{- $shown := default "THE-ADDRESS" $host -}}
{{- $_ := set $plan "bootstrap" (printf "%s:%v" (ternary (printf "[%s]" $shown) $shown (contains ":" $shown)) $port) -}}
{{- $_ := set $plan "inside" (printf "%s:%v" $service $port) -}}
{{- toJson $plan -}}
{{- end }}

{{/* The ids of a text such as "0-2,1000-1002" in its order, and what is wrong with it, as JSON. */}}
{{- define "portolan.ids" -}}
{{- $ids := list -}}
{{- $faults := list -}}
{{- range splitList "," . -}}
{{- $part := trim . -}}
{{- $first := regexFind "^[0-9]+" $part | int64 -}}
{{- $last := regexFind "[0-9]+$" $part | int64 -}}
{{- if not (regexMatch "^[0-9]{1,10}( *- *[0-9]{1,10})?$" $part) -}}
{{- $faults = append $faults (printf "brokers.ids: %q is no id or range; write one such as \"0-15\" or \"0-2,1000-1002\"" $part) -}}
{{- else if gt $last 2147483647 -}}
{{- $faults = append $faults (printf "brokers.ids: %q: no broker has an id above 2147483647; write the ids that brokers have or may get" $part) -}}
{{- else if gt $first $last -}}
{{- $faults = append $faults (printf "brokers.ids: %q runs backwards; write \"%d-%d\"" $part $last $first) -}}
{{- else if ge (add (sub $last $first) (len $ids)) 1000 -}}
{{- $faults = append $faults (printf "brokers.ids: with %q there are more than 1000 ids; name only those that brokers have or may get" $part) -}}
{{- else -}}
{{- range untilStep 0 (add1 (sub $last $first) | int) 1 -}}
{{- $ids = append $ids (add $first .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not $faults) (ne (len $ids) (len (uniq $ids))) -}}
{{- $faults = append $faults (printf "brokers.ids: %q names an id twice; name each once" .) -}}
{{- end -}}
{{- dict "ids" $ids "faults" $faults | toJson -}}
{{- end }}
