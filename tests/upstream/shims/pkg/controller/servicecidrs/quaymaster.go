package servicecidrs

import (
	"context"

	"k8s.io/kubernetes/test/quaymaster"
)

// Run runs the ServiceCIDR controller as a program of its own until the context ends. It has no flag for its workers.
func (c *Controller) Run(ctx context.Context, _ int) {
	quaymaster.Run(ctx, "service-cidr-controller", c.client)
	// The context has ended, so this only lets go of what the constructor has started.
	c.runInProcess(ctx, 0)
}
