{{/* The objects of a file, in the release's namespace wherever they name it: (list . file). */}}
{{- define "herd.objects" }}
{{- $root := index . 0 }}
{{- $root.Files.Get (printf "objects/%s.yaml" (index . 1)) | replace "herd-system" $root.Release.Namespace }}
{{- end }}

{{/* What values change of a pod, wherever it comes from: (list . spec). */}}
{{- define "herd.pod" }}
{{- $values := (index . 0).Values }}
{{- $pod := index . 1 }}
{{- range $pod.containers }}{{ $_ := set . "image" $values.image }}{{ end }}
{{- range $field := list "nodeSelector" "tolerations" "affinity" "imagePullSecrets" }}
{{- with index $values $field }}{{ $_ := set $pod $field . }}{{ end }}
{{- end }}
{{- end }}

{{/* What values change of the operator's Deployment: (list . deployment). */}}
{{- define "herd.deployment" }}
{{- $values := (index . 0).Values }}
{{- $spec := (index . 1).spec }}
{{- $_ := set $spec "replicas" $values.replicas }}
{{- include "herd.pod" (list (index . 0) $spec.template.spec) }}
{{- range $spec.template.spec.containers }}
{{- $_ := set . "resources" $values.resources }}
{{- range .env }}
{{- if eq .name "HERD_NODE_IMAGE" }}{{ $_ := set . "value" $values.nodeImage }}{{ end }}
{{- if eq .name "HERD_NAMESPACES" }}{{ $_ := set . "value" (join "," $values.namespaces) }}{{ end }}
{{- end }}
{{- end }}
{{- with $values.podAnnotations }}
{{- $_ := set $spec.template.metadata "annotations" (merge (dict) . (default (dict) $spec.template.metadata.annotations)) }}
{{- end }}
{{- end }}
