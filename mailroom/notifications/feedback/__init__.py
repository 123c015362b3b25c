"""What comes back about messages: reports of bounces, deliveries and complaints."""
