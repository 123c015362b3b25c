"""The calls about webhooks: endpoints, and the deliveries to them. The function `notifications` serves them."""
