{{/*
What a cloud needs of the Service and of the drain, as JSON. What is not here is decided by values.yaml alone.

aws-nlb: AWS Load Balancer Controller, pods as targets (instance targets times ports run into the limit of 500 targets).
  https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/annotations/
  One check for all ports, at /lbz. An NLB needs minutes to take a target out and sends it new connections until then
  (aws-load-balancer-controller issue 2366), so the lame duck is long. By default it also resets what is open to a target as
  soon as that fails its check, which a pod does on purpose from SIGTERM on: so that is off, and open connections have 300
  seconds instead, in which Portolan has ended them all.
  https://docs.aws.amazon.com/elasticloadbalancing/latest/network/target-group-health.html#unhealthy-target-connection-termination
gke: https://cloud.google.com/kubernetes-engine/docs/concepts/service-load-balancer-parameters
aks: https://learn.microsoft.com/azure/aks/load-balancer-standard; by default idle flows are dropped after 4 minutes.
metallb, k3s: no annotations. MetalLB leads to the Service without node ports; the balancer of k3s may use them.
*/}}
{{- define "portolan.profile" -}}
{{- $profile := dict "annotations" dict "loadBalancerClass" "" "allocateLoadBalancerNodePorts" true "lameDuck" "15s" "grace" "30s" -}}
{{- $annotations := dict -}}
{{- if eq .Values.profile "aws-nlb" -}}
{{- $prefix := "service.beta.kubernetes.io/aws-load-balancer-" -}}
{{- $header := .Values.proxyProtocol.balancerSends -}}
{{- if kindIs "invalid" $header -}}
{{- $header = ne .Values.proxyProtocol.mode "off" -}}
{{- end -}}
{{- $attributes := dict
  "deregistration_delay.timeout_seconds" "180"
  "proxy_protocol_v2.enabled" (toString $header)
  "target_health_state.unhealthy.connection_termination.enabled" "false"
  "target_health_state.unhealthy.draining_interval_seconds" "300" -}}
{{- /* An annotation of one's own would replace the whole list. */ -}}
{{- range splitList "," (get (default dict .Values.service.annotations) (print $prefix "target-group-attributes")) -}}
{{- $pair := splitn "=" 2 (trim .) -}}
{{- if $pair._0 -}}
{{- $_ := set $attributes (trim $pair._0) (trim (default "" $pair._1)) -}}
{{- end -}}
{{- end -}}
{{- $list := list -}}
{{- range $key, $value := $attributes -}}
{{- $list = append $list (printf "%s=%s" $key $value) -}}
{{- end -}}
{{- $_ := set $profile "sendsHeader" $header -}}
{{- $own := default dict .Values.service.annotations -}}
{{- $says := printf "%s,%s=%s" (get $own (print $prefix "attributes")) "load_balancing.cross_zone.enabled" (get $own (print $prefix "cross-zone-load-balancing-enabled")) -}}
{{- $says = printf "%s,%s=%s" $says "load_balancing.cross_zone.enabled" (get $attributes "load_balancing.cross_zone.enabled") -}}
{{- $_ := set $profile "isCrossZone" (regexMatch "(^|,)\\s*load_balancing\\.cross_zone\\.enabled\\s*=\\s*true\\s*(,|$)" $says) -}}
{{- $_ := set $profile "targetGroup" $attributes -}}
{{- range $key, $value := dict
  "nlb-target-type" "ip"
  "scheme" (ternary "internal" "internet-facing" .Values.service.internal)
  "healthcheck-protocol" "http"
  "healthcheck-port" (toString .Values.ports.admin)
  "healthcheck-path" "/lbz"
  "healthcheck-interval" "10"
  "healthcheck-healthy-threshold" "2"
  "healthcheck-unhealthy-threshold" "2"
  "target-group-attributes" (join "," $list) -}}
{{- $_ := set $annotations (print $prefix $key) $value -}}
{{- end -}}
{{- $_ := set $profile "loadBalancerClass" "service.k8s.aws/nlb" -}}
{{- $_ := set $profile "allocateLoadBalancerNodePorts" false -}}
{{- $_ := set $profile "lameDuck" "180s" -}}
{{- $_ := set $profile "grace" "105s" -}}
{{- else if eq .Values.profile "gke" -}}
{{- if .Values.service.internal -}}
{{- $_ := set $annotations "networking.gke.io/load-balancer-type" "Internal" -}}
{{- else -}}
{{- $_ := set $annotations "cloud.google.com/l4-rbs" "enabled" -}}
{{- end -}}
{{- else if eq .Values.profile "aks" -}}
{{- $_ := set $annotations "service.beta.kubernetes.io/azure-load-balancer-tcp-idle-timeout" "30" -}}
{{- if .Values.service.internal -}}
{{- $_ := set $annotations "service.beta.kubernetes.io/azure-load-balancer-internal" "true" -}}
{{- end -}}
{{- else if eq .Values.profile "metallb" -}}
{{- $_ := set $profile "allocateLoadBalancerNodePorts" false -}}
{{- end -}}
{{- $_ := set $profile "annotations" $annotations -}}
{{- toJson $profile -}}
{{- end }}
