package endpointslicemirroring

import (
	"context"
	"fmt"

	"k8s.io/kubernetes/test/quaymaster"
)

// Run runs the EndpointSlice mirroring controller as a program of its own until the context ends.
func (c *Controller) Run(ctx context.Context, workers int) {
	quaymaster.Run(ctx, "endpointslice-mirroring-controller", c.client,
		fmt.Sprintf("--mirroring-concurrent-service-endpoint-syncs=%d", workers),
		fmt.Sprintf("--mirroring-max-endpoints-per-subset=%d", c.maxEndpointsPerSubset),
		fmt.Sprintf("--mirroring-endpointslice-updates-batch-period=%s", c.endpointUpdatesBatchPeriod))
	// The context has ended, so this only lets go of what the constructor has started.
	c.runInProcess(ctx, 0)
}
