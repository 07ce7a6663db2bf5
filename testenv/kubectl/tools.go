//go:build tools

package kubectl

import (
	_ "k8s.io/kubernetes/cmd/kubectl"
)
