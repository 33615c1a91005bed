"""The one form readers fill in."""

from django import forms

from .models import Letter


class LetterForm(forms.ModelForm):
    class Meta:
        model = Letter
        fields = ["name", "message"]
        widgets = {"message": forms.Textarea(attrs={"rows": 6})}
