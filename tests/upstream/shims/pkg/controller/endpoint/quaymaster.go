package endpoint

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/test/quaymaster"
)

// Run runs the Endpoints controller as a program of its own until the context ends.
func (e *Controller) Run(ctx context.Context, workers int) {
	quaymaster.Run(ctx, "endpoints-controller", e.client,
		fmt.Sprintf("--concurrent-endpoint-syncs=%d", workers),
		fmt.Sprintf("--endpoint-updates-batch-period=%s", e.endpointUpdatesBatchPeriod))
	// The context has ended, so this only lets go of what the constructor has started.
	e.runInProcess(ctx, 0)
}
