package endpointslice

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/test/quaymaster"
)

// Run runs the EndpointSlice controller as a program of its own until the context ends.
func (c *Controller) Run(ctx context.Context, workers int) {
	quaymaster.Run(ctx, "endpointslice-controller", c.client,
		fmt.Sprintf("--concurrent-service-endpoint-syncs=%d", workers),
		fmt.Sprintf("--max-endpoints-per-slice=%d", c.maxEndpointsPerSlice),
		fmt.Sprintf("--endpointslice-updates-batch-period=%s", c.endpointUpdatesBatchPeriod))
	// The context has ended, so this only lets go of what the constructor has started.
	c.runInProcess(ctx, 0)
}
