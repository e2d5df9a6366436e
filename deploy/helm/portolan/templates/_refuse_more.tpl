{{/* The rest of what "portolan.refuse" asks. */}}

{{- define "portolan.refuse.tls" -}}
{{- $faults := list -}}
{{- $tls := .values.tls.client -}}
{{- $manager := $tls.certManager -}}
{{- if and $tls.existingSecret $manager.enabled -}}
{{- $faults = append $faults "tls.client: existingSecret and certManager.enabled are both set; take one out: a Secret that you have, or one that cert-manager makes" -}}
{{- end -}}
{{- if and $manager.enabled (not $manager.issuerRef.name) -}}
{{- $faults = append $faults "tls.client.certManager.issuerRef.name is empty; write the name of the Issuer or ClusterIssuer" -}}
{{- end -}}
{{- if and $manager.enabled (not .values.advertised.host) (not .plan.names) (not $manager.dnsNames) -}}
{{- $faults = append $faults "tls.client.certManager.dnsNames is empty, and the chart does not know the host either; write the names that clients connect to" -}}
{{- end -}}
{{- $of := list -}}
{{- range $name, $value := dict "clientAuth" $tls.clientAuth "clientCa.secret" $tls.clientCa.secret "ticketKeysSecret" $tls.ticketKeysSecret -}}
{{- if and $value (ne $value "none") -}}{{- $of = append $of (printf "tls.client.%s" $name) -}}{{- end -}}
{{- end -}}
{{- if and $of (not .plan.isTls) -}}
{{- $faults = append $faults (printf "%s: clients have no TLS; set tls.client.existingSecret or tls.client.certManager.enabled, too" (join ", " $of)) -}}
{{- end -}}
{{- if not $tls.clientCa.secret -}}
{{- if has $tls.clientAuth (list "optional" "required") -}}
{{- $faults = append $faults (printf "tls.client.clientAuth is %s, but nothing says who signs certificates of clients; set tls.client.clientCa.secret" $tls.clientAuth) -}}
{{- end -}}
{{- if $tls.clientCa.crlKey -}}
{{- $faults = append $faults "tls.client.clientCa.crlKey is set, but clientCa.secret, which is to have it, is not; set tls.client.clientCa.secret" -}}
{{- end -}}
{{- else if eq (default "" $tls.clientAuth) "none" -}}
{{- $faults = append $faults "tls.client.clientCa.secret has no effect with clientAuth \"none\"; write tls.client.clientAuth: required, or optional" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.upstream" -}}
{{- $faults := list -}}
{{- $upstream := .values.tls.upstream -}}
{{- if and (not $upstream.enabled) (or $upstream.caSecret $upstream.clientSecret $upstream.serverName) -}}
{{- $faults = append $faults "tls.upstream: caSecret, clientSecret and serverName have no effect while enabled is false; write tls.upstream.enabled: true" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.proxy" -}}
{{- $faults := list -}}
{{- $proxy := .values.proxyProtocol -}}
{{- if and (ne $proxy.mode "off") (not $proxy.trustedNetworks) -}}
{{- $faults = append $faults (printf "proxyProtocol.trustedNetworks is empty, and mode is %s: nobody's header would be believed; write the networks of the load balancer, such as [10.0.0.0/16]" $proxy.mode) -}}
{{- else if and (eq $proxy.mode "off") $proxy.trustedNetworks -}}
{{- $faults = append $faults "proxyProtocol.trustedNetworks has no effect with mode \"off\"; write proxyProtocol.mode: required" -}}
{{- end -}}
{{- $sends := $proxy.balancerSends -}}
{{- if and (not (kindIs "invalid" $sends)) (ne .values.profile "aws-nlb") -}}
{{- $faults = append $faults (printf "proxyProtocol.balancerSends: the profile %s does not know how to say it; leave it out, and tell the load balancer itself" .values.profile) -}}
{{- else if and $sends (eq $proxy.mode "off") -}}
{{- $faults = append $faults "proxyProtocol.balancerSends is true, and with mode \"off\" pods would take the header for a request and close; write proxyProtocol.mode: optional first, and this when all pods have it" -}}
{{- else if and (kindIs "bool" $sends) (not $sends) (eq $proxy.mode "required") -}}
{{- $faults = append $faults "proxyProtocol.balancerSends is false, and with mode \"required\" pods close what comes without a header; write proxyProtocol.mode: optional" -}}
{{- end -}}
{{- /*
  Two more annotations by which the controller has the NLB send it, and which come before the list of attributes; the second also has
  ports that it does not name go without:
  https://kubernetes-sigs.github.io/aws-load-balancer-controller/latest/guide/service/annotations/
*/ -}}
{{- $isNlb := eq .values.profile "aws-nlb" -}}
{{- range $name := list "aws-load-balancer-proxy-protocol" "aws-load-balancer-proxy-protocol-per-target-group" -}}
{{- $isForAll := eq $name "aws-load-balancer-proxy-protocol" -}}
{{- if hasKey (default dict $.values.service.annotations) (print "service.beta.kubernetes.io/" $name) -}}
{{- if eq $proxy.mode "off" -}}
{{- $faults = append $faults (printf "service.annotations: %s has the load balancer send a header, and with proxyProtocol.mode \"off\" pods would take it for a request and close; take it out, and set proxyProtocol.mode" $name) -}}
{{- else if and $isNlb (or (not $.plan.profile.sendsHeader) (not $isForAll)) -}}
{{- $faults = append $faults (printf "service.annotations: %s comes before what proxyProtocol.balancerSends says, which is %t for all ports; take it out, and set proxyProtocol.balancerSends" $name $.plan.profile.sendsHeader) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- with .plan.profile.targetGroup -}}
{{- if ne (get . "proxy_protocol_v2.enabled") (toString $.plan.profile.sendsHeader) -}}
{{- $faults = append $faults (printf "service.annotations: target-group-attributes has proxy_protocol_v2.enabled=%s, and proxyProtocol says %t; take it out, and set proxyProtocol.mode and proxyProtocol.balancerSends" (get . "proxy_protocol_v2.enabled") $.plan.profile.sendsHeader) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.service" -}}
{{- $faults := list -}}
{{- $service := .values.service -}}
{{- $profile := .values.profile -}}
{{- if and $service.internal (not (has $profile (list "aws-nlb" "gke" "aks"))) -}}
{{- $faults = append $faults (printf "service.internal: the profile %s does not know how to say it; write service.internal: false, and in service.annotations what your load balancer wants" $profile) -}}
{{- end -}}
{{- if ne $service.type "LoadBalancer" -}}
{{- range $name, $value := dict "sourceRanges" $service.sourceRanges "loadBalancerIP" $service.loadBalancerIP "loadBalancerClass" $service.loadBalancerClass "internal" $service.internal -}}
{{- if $value -}}
{{- $faults = append $faults (printf "service.%s has no effect with type %s; write service.type: LoadBalancer, or take it out" $name $service.type) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (has $service.ipFamilyPolicy (list "PreferDualStack" "RequireDualStack")) (not (contains ":" .values.listenAddress)) -}}
{{- $faults = append $faults (printf "service.ipFamilyPolicy: with %s clients may come by IPv6, but listenAddress %s takes IPv4 alone; write listenAddress: \"::\", which takes both" $service.ipFamilyPolicy .values.listenAddress) -}}
{{- end -}}
{{- $class := default .plan.profile.loadBalancerClass $service.loadBalancerClass -}}
{{- if and (eq $profile "aws-nlb") (ne $class "service.k8s.aws/nlb") -}}
{{- $faults = append $faults (printf "service.loadBalancerClass: %q is not that of the profile aws-nlb, whose annotations nobody would read; write service.k8s.aws/nlb, or profile: generic" $class) -}}
{{- end -}}
{{- $target := get (default dict $service.annotations) "service.beta.kubernetes.io/aws-load-balancer-nlb-target-type" -}}
{{- if and (eq $profile "aws-nlb") $target (ne $target "ip") -}}
{{- $faults = append $faults (printf "service.annotations: aws-load-balancer-nlb-target-type is %q, and the profile aws-nlb has pods as targets: it sets no node ports, and checks the admin port, which only pods have; take it out, or write profile: generic, and annotations of your own" $target) -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.lifetime" -}}
{{- $faults := list -}}
{{- $given := int .plan.terminationSeconds -}}
{{- $needed := int .plan.neededSeconds -}}
{{- if lt $given $needed -}}
{{- $faults = append $faults (printf "drain.terminationGracePeriodSeconds: after %d s the kubelet would kill in the middle of lame duck (%s) + grace (%s) + 15 s; write %d or more, or leave it out" $given .plan.lameDuck .plan.grace $needed) -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.pods" -}}
{{- $faults := list -}}
{{- $hpa := .values.hpa -}}
{{- if $hpa.enabled -}}
{{- if lt (int $hpa.maxReplicas) (int $hpa.minReplicas) -}}
{{- $faults = append $faults (printf "hpa.maxReplicas: %d is less than hpa.minReplicas %d; write %d or more" (int $hpa.maxReplicas) (int $hpa.minReplicas) (int $hpa.minReplicas)) -}}
{{- end -}}
{{- if and $hpa.targetCPUUtilization (not (dig "requests" "cpu" "" .values.resources)) -}}
{{- $faults = append $faults "hpa.targetCPUUtilization is a percentage of resources.requests.cpu, which is not set; write resources.requests.cpu: 250m, or hpa.targetCPUUtilization: null and hpa.metrics" -}}
{{- end -}}
{{- if not (or $hpa.targetCPUUtilization $hpa.metrics) -}}
{{- $faults = append $faults "hpa has nothing to go by; write hpa.targetCPUUtilization: 60, or hpa.metrics" -}}
{{- end -}}
{{- end -}}
{{- $rollout := .values.rollout -}}
{{- if and (has (toString $rollout.maxUnavailable) (list "0" "0%")) (has (toString $rollout.maxSurge) (list "0" "0%")) -}}
{{- $faults = append $faults "rollout: with maxUnavailable and maxSurge 0 no pod can ever be replaced; write rollout.maxSurge: 1" -}}
{{- end -}}
{{- if and .values.podMonitor.enabled .values.serviceMonitor.enabled -}}
{{- $faults = append $faults "podMonitor.enabled and serviceMonitor.enabled are both true, and everything would be counted twice; take one out" -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.policy" -}}
{{- $faults := list -}}
{{- $policy := .values.networkPolicy -}}
{{- if $policy.enabled -}}
{{- if and (eq .values.profile "aws-nlb") (not $policy.healthCheckNetworks) -}}
{{- $faults = append $faults "networkPolicy.healthCheckNetworks is empty: the NLB could not check /lbz and would send nobody; write the networks of its subnets, such as [10.0.0.0/16]" -}}
{{- end -}}
{{- $without := (include "portolan.kafkaNamespaces" .root | fromJson).without -}}
{{- if and $without (not $policy.kafka) -}}
{{- $faults = append $faults (printf "networkPolicy.kafka is empty, and the namespace of Kafka does not stand in %s; write the peers, such as [{namespaceSelector: {matchLabels: {kubernetes.io/metadata.name: kafka}}}]" (join " and " $without)) -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.config" -}}
{{- $faults := list -}}
{{- $own := dict
  "admin.listen" "ports.admin"
  "cluster.bootstrap_servers" "kafka.bootstrapServers"
  "cluster.advertised_host" "advertised.host"
  "cluster.advertised_from_service" "advertised.fromService"
  "cluster.advertise" "advertised.dialled"
  "cluster.listen_address" "listenAddress"
  "cluster.bootstrap_port" "ports.bootstrap"
  "cluster.proxy_protocol" "proxyProtocol.mode"
  "cluster.proxy_protocol_from" "proxyProtocol.trustedNetworks"
  "cluster.nodes" "brokers"
  "cluster.sni" "sni"
  "cluster.tls" "tls.client"
  "cluster.upstream_tls" "tls.upstream" -}}
{{- range $table, $keys := .values.config -}}
{{- range $key, $value := $keys -}}
{{- $full := printf "%s.%s" $table $key -}}
{{- if hasKey $own $full -}}
{{- $faults = append $faults (printf "config.%s: the chart writes this key itself; set %s instead" $full (get $own $full)) -}}
{{- else if or (kindIs "map" $value) (kindIs "invalid" $value) -}}
{{- $faults = append $faults (printf "config.%s is no value of Portolan's file; write a text, a number, true, false or a list of them" $full) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}

{{- define "portolan.refuse.names" -}}
{{- $faults := list -}}
{{- $full := include "portolan.fullname" .root -}}
{{- if not (regexMatch "^[a-z]([-a-z0-9]*[a-z0-9])?$" $full) -}}
{{- $faults = append $faults (printf "fullnameOverride: the objects would be called %q, and a Service's name begins with a letter and has no dots; write another, such as: fullnameOverride=portolan" $full) -}}
{{- end -}}
{{- $pods := list "app.kubernetes.io/name" "app.kubernetes.io/instance" "app.kubernetes.io/version" -}}
{{- $all := concat $pods (list "app.kubernetes.io/component" "app.kubernetes.io/managed-by" "helm.sh/chart") -}}
{{- $common := default dict .values.commonLabels -}}
{{- range $key, $_ := $common -}}
{{- if has $key $all -}}
{{- $faults = append $faults (printf "commonLabels: the chart sets %s itself; take it out" $key) -}}
{{- end -}}
{{- end -}}
{{- range $key, $_ := .values.podLabels -}}
{{- if has $key $pods -}}
{{- $faults = append $faults (printf "podLabels: the chart sets %s itself; take it out" $key) -}}
{{- end -}}
{{- end -}}
{{- range $name := list "podMonitor" "serviceMonitor" "prometheusRule" "dashboard" -}}
{{- range $key, $_ := (get $.values $name).labels -}}
{{- if has $key $all -}}
{{- $faults = append $faults (printf "%s.labels: the chart sets %s itself; take it out" $name $key) -}}
{{- else if hasKey $common $key -}}
{{- $faults = append $faults (printf "%s.labels: commonLabels has %s already; take it out of one of them" $name $key) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $faults -}}
{{- end }}
