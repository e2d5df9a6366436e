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

{{- $found := include "portolan.ranges" . | fromJson -}}
{{- $ids := list -}}
{{- range $found.ranges -}}
{{- $ids = concat $ids .ids -}}
{{- end -}}
{{- /* Nothing put together with nothing is null. */ -}}
{{- $ids = default list $ids -}}
{{- $_ := set $plan "ranges" $found.ranges -}}
{{- $_ := set $plan "ids" $ids -}}
{{- $_ := set $plan "idFaults" $found.faults -}}

{{- $isTls := ne (include "portolan.tlsSecret" .) "" -}}
{{- $hasPorts := ne $values.sni.mode "only" -}}
{{- $hasSni := ne $values.sni.mode "off" -}}
{{- $bootstrapHost := default $values.advertised.host $values.sni.bootstrapHost -}}
{{- $_ := set $plan "isTls" $isTls -}}
{{- $clientAuth := default (ternary "required" "none" (not (empty $values.tls.client.clientCa.secret))) $values.tls.client.clientAuth -}}
{{- $_ := set $plan "areClientsCertified" (and $isTls (eq $clientAuth "required")) -}}
{{- $_ := set $plan "hasPorts" $hasPorts -}}
{{- $_ := set $plan "hasSni" $hasSni -}}
{{- $_ := set $plan "bootstrapHost" $bootstrapHost -}}
{{- $_ := set $plan "nodeHost" (default (printf "broker-{node_id}.%s" $bootstrapHost) $values.sni.nodeHost) -}}

{{- $ports := list -}}
{{- $nodePorts := include "portolan.nodePorts" (dict "values" $values "first" (index $found.ranges 0).first) | fromJson -}}
{{- if $hasPorts -}}
{{- $ports = append $ports (dict "name" "bootstrap" "port" $values.ports.bootstrap "target" $values.ports.bootstrap "nodePort" $nodePorts.bootstrap) -}}
{{- range $range := $found.ranges -}}
{{- range $n, $id := $range.ids -}}
{{- $port := add $range.first $n -}}
{{- $nodePort := ternary (add $port $nodePorts.distance) 0 (ne $nodePorts.bootstrap 0.0) -}}
{{- $ports = append $ports (dict "name" (printf "node-%d" (int64 $id)) "port" $port "target" $port "nodePort" $nodePort) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if $hasSni -}}
{{- $port := default $values.sni.port $values.sni.advertisedPort -}}
{{- $ports = append $ports (dict "name" "sni" "port" $port "target" $values.sni.port "nodePort" $nodePorts.sni) -}}
{{- $_ := set $plan "sniPort" $port -}}
{{- end -}}
{{- $_ := set $plan "ports" $ports -}}

{{- $names := list -}}
{{- if and $hasPorts $values.advertised.host (not (include "portolan.isAddress" $values.advertised.host)) -}}
{{- $names = append $names $values.advertised.host -}}
{{- end -}}
{{- if and $hasSni $bootstrapHost -}}
{{- $names = append $names $bootstrapHost | uniq -}}
{{- $nodeNames := include "portolan.nodeNames" (dict "nodeHost" $plan.nodeHost "ranges" $found.ranges "hosts" $names) | fromJsonArray -}}
{{- $names = concat $names $nodeNames | uniq -}}
{{- end -}}
{{- $_ := set $plan "names" $names -}}
{{- /* Without a load balancer it would take the nodes' addresses, or those inside the cluster. */ -}}
{{- $tells := $values.service.externalDns -}}
{{- if kindIs "invalid" $tells -}}
{{- $tells = eq $values.service.type "LoadBalancer" -}}
{{- end -}}
{{- $_ := set $plan "tellsExternalDns" (and $tells (not (empty $names))) -}}

{{- $lameDuck := default $profile.lameDuck $values.drain.lameDuck -}}
{{- $grace := default $profile.grace $values.drain.grace -}}
{{- $needed := add (include "portolan.seconds" $lameDuck | int64) (include "portolan.seconds" $grace | int64) 15 -}}
{{- $_ := set $plan "lameDuck" $lameDuck -}}
{{- $_ := set $plan "grace" $grace -}}
{{- $_ := set $plan "neededSeconds" $needed -}}
{{- $_ := set $plan "terminationSeconds" (default $needed $values.drain.terminationGracePeriodSeconds) -}}

{{- $fewest := ternary $values.hpa.minReplicas $values.replicas $values.hpa.enabled -}}
{{- $_ := set $plan "fewestPods" $fewest -}}
{{- $most := ternary $values.hpa.maxReplicas $values.replicas $values.hpa.enabled -}}
{{- /* While a rollout replaces them; a part of a pod is a whole one, as Kubernetes counts. */ -}}
{{- $surge := toString $values.rollout.maxSurge -}}
{{- if hasSuffix "%" $surge -}}
{{- $surge = div (add (mul $most (trimSuffix "%" $surge | int)) 99) 100 -}}
{{- end -}}
{{- $peak := add $most (int $surge) -}}
{{- $_ := set $plan "peakPods" $peak -}}
{{- $_ := set $plan "targets" (mul $peak (len $ports)) -}}

{{- $service := printf "%s.%s.svc" (include "portolan.fullname" .) .Release.Namespace -}}
{{- $host := ternary $values.advertised.host $bootstrapHost $hasPorts -}}
{{- $port := ternary $values.ports.bootstrap (default $values.sni.port $values.sni.advertisedPort) $hasPorts -}}
{{- $_ := set $plan "hostIsKnown" (not (empty $host)) -}}
{{- $shown := default "THE-ADDRESS" $host -}}
{{- $_ := set $plan "bootstrap" (printf "%s:%v" (ternary (printf "[%s]" $shown) $shown (contains ":" $shown)) $port) -}}
{{- $_ := set $plan "inside" (printf "%s:%v" $service $port) -}}
{{- toJson $plan -}}
{{- end }}

{{/*
The node ports that are asked for, 0 where none is: of the bootstrap port, of the one of SNI, and how far those of brokers are
from their ports, which is the same for all of them, so that they keep theirs when ids are added.
*/}}
{{- define "portolan.nodePorts" -}}
{{- $wanted := .values.service.nodePorts -}}
{{- $bootstrap := default 0 $wanted.bootstrap -}}
{{- $distance := sub $bootstrap .values.ports.bootstrap -}}
{{- with $wanted.first -}}
{{- $distance = sub . $.first -}}
{{- end -}}
{{- dict "bootstrap" $bootstrap "sni" (default 0 $wanted.sni) "distance" $distance | toJson -}}
{{- end }}
