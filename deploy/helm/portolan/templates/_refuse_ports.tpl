{{/* What "portolan.refuse" asks about ids, ports and addresses of brokers. */}}

{{- define "portolan.refuse.ranges" -}}
{{- $faults := list -}}
{{- $brokers := .values.brokers -}}
{{- if and (kindIs "slice" $brokers.ranges) (not $brokers.ranges) -}}
{{- $faults = append $faults "brokers.ranges is an empty list; write a range at least, such as [{ids: \"0-9\"}], or leave it out" -}}
{{- end -}}
{{- if $brokers.ranges -}}
{{- $others := list -}}
{{- range $name, $value := dict "brokers.ids" $brokers.ids "brokers.address" $brokers.address "ports.brokers.first" .values.ports.brokers.first "ports.brokers.count" .values.ports.brokers.count -}}
{{- if and (not (kindIs "invalid" $value)) (ne (toString $value) "") -}}{{- $others = append $others $name -}}{{- end -}}
{{- end -}}
{{- with $others -}}
{{- $faults = append $faults (printf "brokers.ranges has the ids, ports and addresses of all brokers, and beside it is set: %s; move what that says into brokers.ranges (ids, firstPort, address), or leave brokers.ranges out" (join ", " .)) -}}
{{- end -}}
{{- end -}}
{{- if gt (len .plan.ids) 1000 -}}
{{- $faults = append $faults (printf "brokers.ranges: together they have %d ids, more than 1000; name only those that brokers have or may get" (len .plan.ids)) -}}
{{- end -}}
{{- /* Each id, and the range that has it. */ -}}
{{- $owners := dict -}}
{{- range $range := .plan.ranges -}}
{{- $shared := dict -}}
{{- range $range.ids -}}
{{- $id := printf "%d" (int64 .) -}}
{{- $owner := get $owners $id -}}
{{- if and $owner (ne $owner $range.path) -}}
{{- $_ := set $shared $owner (append (default list (get $shared $owner)) $id) -}}
{{- end -}}
{{- $_ := set $owners $id $range.path -}}
{{- end -}}
{{- range $owner, $ids := $shared -}}
{{- $more := ternary (printf " and %d more stand" (sub (len $ids) 1)) " stands" (gt (len $ids) 1) -}}
{{- $faults = append $faults (printf "%s.ids: id %s%s in %s already; name each id once" $range.path (first $ids) $more $owner) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.addresses" -}}
{{- $faults := list -}}
{{- $example := "kafka-{node_id}.kafka-headless.kafka.svc:9092" -}}
{{- $owners := dict -}}
{{- range .plan.ranges -}}
{{- $path := print .path ".address" -}}
{{- if .address -}}
{{- $filled := regexReplaceAll "[{](node_id|ordinal)[}]" .address "0" -}}
{{- $other := regexFind "[{][^}]*[}]?" $filled -}}
{{- if $other -}}
{{- $faults = append $faults (printf "%s: %q is no placeholder; write {node_id}, or {ordinal}, which is 0 for the first id" $path $other) -}}
{{- else if not (regexMatch "^([^:/\\s]+|\\[[0-9a-fA-F:.]+\\]):[0-9]+$" $filled) -}}
{{- $faults = append $faults (printf "%s: %q is not host:port; write one such as %s" $path .address $example) -}}
{{- else if and (gt (len .ids) 1) (eq $filled .address) -}}
{{- $faults = append $faults (printf "%s: all %d brokers would have the same; write {node_id} or {ordinal} where they differ, such as %s" $path (len .ids) $example) -}}
{{- else if and (hasKey $owners .address) (not (contains "{node_id}" .address)) -}}
{{- $faults = append $faults (printf "%s: %q stands in %s, too, and would lead to the same brokers; write the address of this range's own" $path .address (get $owners .address)) -}}
{{- end -}}
{{- $_ := set $owners .address $path -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.ports" -}}
{{- $faults := list -}}
{{- $ports := .values.ports -}}
{{- $ranges := ternary .plan.ranges list .plan.hasPorts -}}
{{- $count := $ports.brokers.count -}}
{{- $has := len .plan.ids -}}
{{- if and $count (not (kindIs "invalid" .values.brokers.ids)) (not .values.brokers.ranges) (not .plan.idFaults) (ne (int $count) $has) -}}
{{- $faults = append $faults (printf "ports.brokers.count is %d, but brokers.ids %q are %d; write ports.brokers.count: %d, or leave one of the two out" (int $count) (index .plan.ranges 0).idsText $has $has) -}}
{{- end -}}
{{- /* A port that would do for a range that has to go elsewhere. */ -}}
{{- $free := 0 -}}
{{- range $ranges -}}
{{- $free = max $free (add1 .last) -}}
{{- if gt (int .last) 65535 -}}
{{- $faults = append $faults (printf "%s: the last of %d would have port %d, and there is none above 65535; write a lower %s, or fewer ids" .path (len .ids) (int .last) .portPath) -}}
{{- end -}}
{{- end -}}
{{- range $n, $range := $ranges -}}
{{- range slice $ranges 0 $n -}}
{{- if and .ids $range.ids (le (int .first) (int $range.last)) (le (int $range.first) (int .last)) -}}
{{- /* Ranges grow at their ends: of the two, the one that begins before the other. */ -}}
{{- $grown := ternary . $range (le (int .first) (int $range.first)) -}}
{{- $parts := splitList "," $grown.idsText -}}
{{- $new := ternary (last $parts | trim | quote) "..." (gt (len $parts) 1) -}}
{{- $faults = append $faults (printf "%s: its ports %d-%d and those of %s, %d-%d, overlap; write another %s, such as %d, unless clients know its ports: where %s grew on a release that runs, move neither, and write the new ids as a range of their own, {ids: %s, address: ...}" $range.path (int $range.first) (int $range.last) .path (int .first) (int .last) $range.portPath $free $grown.path $new) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- $single := dict "ports.admin" (int $ports.admin) -}}
{{- if .plan.hasPorts -}}
{{- $_ := set $single "ports.bootstrap" (int $ports.bootstrap) -}}
{{- end -}}
{{- if .plan.hasSni -}}
{{- $_ := set $single "sni.port" (int .values.sni.port) -}}
{{- end -}}
{{- range $name, $port := $single -}}
{{- range $ranges -}}
{{- if and (ge $port (int .first)) (le $port (int .last)) -}}
{{- $faults = append $faults (printf "%s: %d lies inside the brokers' ports %d-%d; write one outside of them, or move them by %s" $name $port (int .first) (int .last) .portPath) -}}
{{- end -}}
{{- end -}}
{{- range $other, $same := $single -}}
{{- if and (eq $port $same) (lt $name $other) -}}
{{- $faults = append $faults (printf "%s and %s are both %d; write another port for one of them" $name $other $port) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .values.sni.advertisedPort -}}
{{- if $.plan.hasSni -}}
{{- range $.plan.ports -}}
{{- if and (ne .name "sni") (eq (int .port) (int $.values.sni.advertisedPort)) -}}
{{- $faults = append $faults (printf "sni.advertisedPort: the Service has port %d already; write another, such as 443" (int .port)) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.nodePorts" -}}
{{- $faults := list -}}
{{- $service := .values.service -}}
{{- $wanted := $service.nodePorts -}}
{{- if or $wanted.bootstrap $wanted.first $wanted.sni -}}
{{- if eq $service.type "ClusterIP" -}}
{{- $faults = append $faults "service.nodePorts: a Service of type ClusterIP has no node ports; write service.type: NodePort or LoadBalancer, or take them out" -}}
{{- end -}}
{{- if and (kindIs "bool" $service.allocateLoadBalancerNodePorts) (not $service.allocateLoadBalancerNodePorts) -}}
{{- $faults = append $faults "service.nodePorts asks for node ports, and service.allocateLoadBalancerNodePorts is false; take one of the two out" -}}
{{- end -}}
{{- if .plan.hasPorts -}}
{{- if not $wanted.bootstrap -}}
{{- $faults = append $faults "service.nodePorts.bootstrap is not set, and the others are; write that of the bootstrap port, too, such as 30000" -}}
{{- end -}}
{{- else if or $wanted.bootstrap $wanted.first -}}
{{- $faults = append $faults "service.nodePorts.bootstrap and first have no effect with sni.mode \"only\", where there is one port; write service.nodePorts.sni" -}}
{{- end -}}
{{- if and .plan.hasSni (not $wanted.sni) -}}
{{- $faults = append $faults (printf "service.nodePorts.sni is not set, and with sni.mode %q there is a port for it; write its node port, too" .values.sni.mode) -}}
{{- else if and $wanted.sni (not .plan.hasSni) -}}
{{- $faults = append $faults "service.nodePorts.sni has no effect with sni.mode \"off\"; take it out, or write sni.mode: only, or beside" -}}
{{- end -}}
{{- $owners := dict -}}
{{- $outside := list -}}
{{- range .plan.ports -}}
{{- $port := int .nodePort -}}
{{- $key := toString $port -}}
{{- /* 0 is none that is asked for, but for a broker what its port comes to. */ -}}
{{- if or $port (and $wanted.bootstrap (hasPrefix "node-" .name)) -}}
{{- if or (lt $port 1) (gt $port 65535) -}}
{{- $outside = append $outside (printf "%s %d" .name $port) -}}
{{- else if hasKey $owners $key -}}
{{- $faults = append $faults (printf "service.nodePorts: %s and %s would both have node port %d; write another for one of them" (get $owners $key) .name $port) -}}
{{- end -}}
{{- $_ := set $owners $key .name -}}
{{- end -}}
{{- end -}}
{{- with $outside -}}
{{- $faults = append $faults (printf "service.nodePorts: node ports are as far apart as ports are, so that %s would get %s, which is no port; write another service.nodePorts.first, or ports that are closer together" (splitList " " (first .) | first) (splitList " " (first .) | last)) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{/* What a Network Load Balancer takes: https://docs.aws.amazon.com/elasticloadbalancing/latest/network/load-balancer-limits.html */}}
{{- define "portolan.refuse.listeners" -}}
{{- $faults := list -}}
{{- $all := len .plan.ports -}}
{{- $has := len .plan.ids -}}
{{- if eq .values.profile "aws-nlb" -}}
{{- if gt $all 50 -}}
{{- $faults = append $faults (printf "%s: with %d ids the Service has %d ports, and an NLB has at most 50 listeners; write at most %d ids, or sni.mode: only, which needs one port for any number of brokers" (ternary "brokers.ranges" "brokers.ids" (gt (len .plan.ranges) 1)) $has $all (sub 50 (sub $all $has))) -}}
{{- else if and .plan.profile.isCrossZone (gt (int .plan.targets) 500) -}}
{{- $faults = append $faults (printf "service.annotations: with cross-zone balancing an NLB has at most 500 targets, and %d pods (with those that rollout.maxSurge adds) x %d ports are %d; write fewer ids or replicas (with hpa.enabled: hpa.maxReplicas), or take load_balancing.cross_zone.enabled out, by which each zone has 500" (int .plan.peakPods) $all (int .plan.targets)) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}
