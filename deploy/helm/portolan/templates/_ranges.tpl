{{/*
The ids, each range of them with its ports and addresses, as JSON: one where brokers.ids says all, or those in brokers.ranges.
What is wrong with the ids themselves is in "faults".
*/}}
{{- define "portolan.ranges" -}}
{{- $brokers := .Values.brokers -}}
{{- $second := add1 (int $.Values.ports.bootstrap) -}}
{{- $ranges := list -}}
{{- $faults := list -}}
{{- if $brokers.ranges -}}
{{- range $n, $given := $brokers.ranges -}}
{{- $path := printf "brokers.ranges[%d]" $n -}}
{{- $found := include "portolan.ids" (dict "value" $given.ids "path" (print $path ".ids")) | fromJson -}}
{{- $faults = concat $faults $found.faults -}}
{{- /* Of its own ids alone, so that no other range can move its ports. */ -}}
{{- $first := $given.firstPort -}}
{{- if kindIs "invalid" $first -}}
{{- $first = add $second (default 0 (first $found.ids)) -}}
{{- end -}}
{{- $ranges = append $ranges (dict "path" $path "portPath" (print $path ".firstPort") "idsText" $found.text "ids" $found.ids "first" $first "address" (default "" $given.address)) -}}
{{- end -}}
{{- else -}}
{{- $ids := $brokers.ids -}}
{{- if kindIs "invalid" $ids -}}
{{- $ids = printf "0-%d" (sub (default 16 $.Values.ports.brokers.count | int) 1) -}}
{{- end -}}
{{- $found := include "portolan.ids" (dict "value" $ids "path" "brokers.ids") | fromJson -}}
{{- $faults = $found.faults -}}
{{- $first := default $second $.Values.ports.brokers.first -}}
{{- $ranges = list (dict "path" "brokers" "portPath" "ports.brokers.first" "idsText" $found.text "ids" $found.ids "first" $first "address" $brokers.address) -}}
{{- end -}}
{{- range $ranges -}}
{{- $_ := set . "last" (sub (add .first (len .ids)) 1) -}}
{{- end -}}
{{- dict "ranges" $ranges "faults" (default list $faults) | toJson -}}
{{- end }}

{{/* The ids of a text such as "0-2,1000-1002" in its order, and what is wrong with it, as JSON. */}}
{{- define "portolan.ids" -}}
{{- $path := .path -}}
{{- $text := .value -}}
{{- if not (kindIs "string" $text) -}}
{{- $text = printf "%d" (int64 $text) -}}
{{- end -}}
{{- $ids := list -}}
{{- $faults := list -}}
{{- range splitList "," $text -}}
{{- $part := trim . -}}
{{- $first := regexFind "^[0-9]+" $part | int64 -}}
{{- $last := regexFind "[0-9]+$" $part | int64 -}}
{{- if not (regexMatch "^[0-9]{1,10}( *- *[0-9]{1,10})?$" $part) -}}
{{- $faults = append $faults (printf "%s: %q is no id or range; write one such as \"0-15\" or \"0-2,1000-1002\"" $path $part) -}}
{{- else if gt $last 2147483647 -}}
{{- $faults = append $faults (printf "%s: %q: no broker has an id above 2147483647; write the ids that brokers have or may get" $path $part) -}}
{{- else if gt $first $last -}}
{{- $faults = append $faults (printf "%s: %q runs backwards; write \"%d-%d\"" $path $part $last $first) -}}
{{- else if ge (add (sub $last $first) (len $ids)) 1000 -}}
{{- $faults = append $faults (printf "%s: with %q there are more than 1000 ids; name only those that brokers have or may get" $path $part) -}}
{{- else -}}
{{- range untilStep 0 (add1 (sub $last $first) | int) 1 -}}
{{- $ids = append $ids (add $first .) -}}
{{- end -}}
{{- end -}}
{{- end -}}
{{- if and (not $faults) (ne (len $ids) (len (uniq $ids))) -}}
{{- $faults = append $faults (printf "%s: %q names an id twice; name each once" $path $text) -}}
{{- end -}}
{{- dict "text" $text "ids" $ids "faults" (default list $faults) | toJson -}}
{{- end }}
