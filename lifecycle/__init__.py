"""Which model serves: registered versions, promotion, rollback, published bundles."""
