{{/* Names, labels and small conversions. */}}

{{/* What the objects are called: the release, with "portolan" in it. */}}
{{- define "portolan.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $full .Values.fullnameOverride | trunc 53 | trimSuffix "-" -}}
{{- end }}

{{/* The labels by which the pods are chosen; they never change in the life of a release. */}}
{{- define "portolan.selectorLabels" -}}
app.kubernetes.io/name: {{ default .Chart.Name .Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{/* What every object has besides. */}}
{{- define "portolan.commonLabels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{- with .Values.commonLabels }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{- define "portolan.labels" -}}
{{ include "portolan.selectorLabels" . }}
{{ include "portolan.commonLabels" . }}
{{- end }}

{{- define "portolan.serviceAccountName" -}}
{{- $own := ternary (include "portolan.fullname" .) "default" .Values.serviceAccount.create -}}
{{- default $own .Values.serviceAccount.name -}}
{{- end }}

{{- define "portolan.image" -}}
{{- $image := .Values.image -}}
{{- if $image.digest -}}
{{- printf "%s@%s" $image.repository $image.digest -}}
{{- else -}}
{{- printf "%s:%s" $image.repository (default .Chart.AppVersion $image.tag) -}}
{{- end -}}
{{- end }}

{{/* The Secret with the certificate that clients are shown; "" where they connect in plaintext. */}}
{{- define "portolan.tlsSecret" -}}
{{- $tls := .Values.tls.client -}}
{{- if $tls.certManager.enabled -}}
{{- printf "%s-tls" (include "portolan.fullname" .) -}}
{{- else -}}
{{- default "" $tls.existingSecret -}}
{{- end -}}
{{- end }}

{{/* A time such as "15s" or "2m" in whole seconds, a part of one as a whole one. */}}
{{- define "portolan.seconds" -}}
{{- $number := regexFind "^[0-9]+" . | int64 -}}
{{- $unit := regexFind "[a-z]+$" . -}}
{{- if eq $unit "ms" -}}
{{- div (add $number 999) 1000 -}}
{{- else -}}
{{- mul $number (get (dict "s" 1 "m" 60 "h" 3600) $unit) -}}
{{- end -}}
{{- end }}

{{/* Whether this is an address, which has no record in DNS. */}}
{{- define "portolan.isAddress" -}}
{{- if or (regexMatch "^[0-9.]+$" .) (contains ":" .) -}}true{{- end -}}
{{- end }}

{{/*
The names of all brokers by the template in sni.nodeHost: one wildcard where that covers them and stands below a name that leads here,
else each name. With a wildcard elsewhere, as in a whole zone, external-dns would lead here what is another's.
*/}}
{{- define "portolan.nodeNames" -}}
{{- $names := list -}}
{{- $below := regexReplaceAll "^[^.]*" .nodeHost "" -}}
{{- $isOurs := false -}}
{{- range .hosts -}}
{{- $isOurs = or $isOurs (hasSuffix (print "." .) $below) -}}
{{- end -}}
{{- if and $isOurs (not (contains "{" $below)) -}}
{{- $names = list (print "*" $below) -}}
{{- else -}}
{{- range .ranges -}}
{{- range $ordinal, $id := .ids -}}
{{- $name := replace "{node_id}" (printf "%d" (int64 $id)) $.nodeHost -}}
{{- $names = append $names (replace "{ordinal}" (printf "%d" $ordinal) $name) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- toJson $names -}}
{{- end }}

{{/* The security context of each container. */}}
{{- define "portolan.containerSecurity" -}}
allowPrivilegeEscalation: false
privileged: false
readOnlyRootFilesystem: true
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 65532
runAsGroup: 65532
{{- end }}
capabilities:
  drop: [ALL]
{{- end }}

{{/*
And of each pod. The group is there for the files of Secrets, which others may not read. OpenShift has a user and such a group for
each namespace, and refuses other ones (runAsUser and fsGroup of restricted-v2):
https://github.com/openshift/cluster-kube-apiserver-operator/blob/master/bindata/bootkube/scc-manifests/0000_20_kube-apiserver-operator_00_scc-restricted-v2.yaml
*/}}
{{- define "portolan.podSecurity" -}}
runAsNonRoot: true
{{- if not .Values.openshift }}
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
{{- end }}
fsGroupChangePolicy: OnRootMismatch
seccompProfile:
  type: RuntimeDefault
{{- end }}

{{/* The Secrets that are mounted, each at /etc/portolan/<name>, as JSON. */}}
{{- define "portolan.secrets" -}}
{{- $secrets := list -}}
{{- with include "portolan.tlsSecret" . -}}
{{- $secrets = append $secrets (dict "name" "tls" "secret" .) -}}
{{- end -}}
{{- with .Values.tls.client.clientCa.secret -}}
{{- $secrets = append $secrets (dict "name" "client-ca" "secret" .) -}}
{{- end -}}
{{- with .Values.tls.client.ticketKeysSecret -}}
{{- $secrets = append $secrets (dict "name" "ticket-keys" "secret" .) -}}
{{- end -}}
{{- if .Values.tls.upstream.enabled -}}
{{- with .Values.tls.upstream.caSecret -}}
{{- $secrets = append $secrets (dict "name" "upstream-ca" "secret" .) -}}
{{- end -}}
{{- with .Values.tls.upstream.clientSecret -}}
{{- $secrets = append $secrets (dict "name" "upstream-tls" "secret" .) -}}
{{- end -}}
{{- end -}}
{{- toJson $secrets -}}
{{- end }}

{{/*
The namespaces in kafka.bootstrapServers and in the addresses of brokers, as JSON: that of "kafka.prod.svc" is prod. The values in which
a host tells none are in "without".
*/}}
{{- define "portolan.kafkaNamespaces" -}}
{{- $plan := include "portolan.plan" . | fromJson -}}
{{- $places := list (dict "path" "kafka.bootstrapServers" "hosts" $plan.servers) -}}
{{- range $plan.ranges -}}
{{- if .address -}}
{{- $places = append $places (dict "path" (print .path ".address") "hosts" (list .address)) -}}
{{- end -}}
{{- end -}}
{{- $namespaces := list -}}
{{- $without := list -}}
{{- range $place := $places -}}
{{- range $place.hosts -}}
{{- $labels := regexReplaceAll ":[0-9]*$" . "" | splitList "." -}}
{{- $namespace := "" -}}
{{- if contains "]" . -}}
{{- $namespace = "" -}}
{{- else if eq (len $labels) 1 -}}
{{- $namespace = $.Release.Namespace -}}
{{- else if and (has "svc" $labels) (ge (len $labels) 3) -}}
{{- $namespace = regexFind "[^.]+[.]svc([.]|$)" (join "." $labels) | splitList "." | first -}}
{{- end -}}
{{- if or (not $namespace) (contains "{" $namespace) -}}
{{- $without = append $without $place.path -}}
{{- else -}}
{{- $namespaces = append $namespaces $namespace -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- dict "namespaces" (uniq $namespaces) "without" (uniq $without) | toJson -}}
{{- end }}
